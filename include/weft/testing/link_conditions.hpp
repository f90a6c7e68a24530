// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace weft::testing {

/// What becomes of a connection that is asked for over a link.
enum class connecting : unsigned char {
    answered,  ///< the listener gets it; without a listener it is refused
    refused,   ///< a reset comes back, whoever listens: connection_refused
    lost       ///< nothing comes back: a black hole, and timed_out in the end
};

/// How a testing::network carries what one host sends to another: one direction of a link.
///
///     net.set_link("laptop", "shop.test", {.latency = 40ms, .jitter = 10ms});
///     net.set_link("shop.test", "laptop", {.bandwidth = 64 * 1024, .reset_at = 1000});
///
/// The defaults carry everything, whole and at once. What says "at byte N" counts the bytes of each
/// connection in this direction; N bytes arrive, then it happens, and 0 is as soon as the
/// connection stands. What is drawn comes from the entropy of the network's context.
struct link_conditions {
    /// How long a byte travels.
    clock::duration latency{};
    /// Up to so much longer, drawn for each piece. Pieces of one connection do not overtake.
    clock::duration jitter{};
    /// Bytes a second of each connection; 0 for no limit.
    std::uint64_t bandwidth = 0;

    /// A read at the far end gives between 1 and so many bytes (drawn), however many are there; 0
    /// for all that fit.
    std::size_t max_read = 0;
    /// A write takes between 1 and so many bytes (drawn); 0 for all that fit.
    std::size_t max_write = 0;

    /// Both ends see connection_reset, the receiver once it has read what came before.
    std::optional<std::uint64_t> reset_at{};
    /// The receiver sees end of file; what the sender writes from then on is lost, and it is not
    /// told.
    std::optional<std::uint64_t> truncate_at{};
    /// Nothing arrives any more, the end of the connection included: half-open. The sender gives up
    /// after network_options::retransmit_limit.
    std::optional<std::uint64_t> lose_from{};

    /// How a connection is answered that is asked for in this direction.
    connecting connect = connecting::answered;
    /// How much longer than the way there and back the answer takes.
    clock::duration connect_delay{};
};

}  // namespace weft::testing
