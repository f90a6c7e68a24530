// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/runtime/clock.hpp>

#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>

namespace weft::io {

struct forward_options {
    /// Time without a byte in either direction, also while a side does not take its bytes. Zero: no
    /// limit.
    clock::duration idle = std::chrono::minutes(5);
    /// Time until the first byte, from either side. Zero: no limit of its own.
    clock::duration first_byte{};
    /// Time from beginning to end. Zero: no limit.
    clock::duration total{};
    /// The most bytes that are held in each direction while they are on the way. A direction that
    /// waits holds 2 KiB.
    std::size_t buffer = 64 * 1024;
};

/// Why forwarding came to its end.
enum class forward_end : unsigned char {
    finished,    ///< both sides sent end of file, and it was passed on
    failed,      ///< a side reset, or its transport failed
    idle,        ///< forward_options::idle ran out
    first_byte,  ///< forward_options::first_byte ran out
    total,       ///< forward_options::total ran out
    cancelled    ///< the coroutine was cancelled
};

/// One of the two streams.
enum class forward_side : unsigned char { neither, a, b };

/// What it came to: for the access log, and for whoever decides what to do next.
struct forward_outcome {
    forward_end why = forward_end::finished;
    /// finished: who sent end of file first; failed: whose stream failed; else neither.
    forward_side ended_by = forward_side::neither;
    std::uint64_t a_to_b = 0;             ///< bytes that b took
    std::uint64_t b_to_a = 0;             ///< bytes that a took
    clock::duration age{};                ///< from beginning to end
    boost::system::error_code code = {};  ///< of the failure

    friend bool operator==(const forward_outcome&, const forward_outcome&) = default;
};

std::string_view to_string(forward_end) noexcept;
std::string_view to_string(forward_side) noexcept;

/// Copies bytes both ways between two streams until both directions are over: what a tunnel, a
/// CONNECT proxy or a TCP proxy does.
///
///     io::stream up = co_await net::tcp::connect.serve(net::connect_request("10.0.0.7", 5432));
///     auto o = co_await io::forward(std::move(down), std::move(up), {.idle = 60s});
///     log(io::to_string(o.why), o.a_to_b, o.b_to_a);
///
/// End of file from one side is passed on to the other (half close), and the other direction goes
/// on. Each direction reads only when what it read before was taken, so a slow side slows the other
/// one. A buffer is held only while bytes are on the way.
///
/// Both streams are closed in the end. Any end but `finished` aborts both, so that a transfer that
/// was cut off never looks complete to either side. It throws nothing of the streams' failures, nor
/// when it is cancelled (terminal): then it aborts both, joins, and gives the outcome `cancelled`.
/// Whoever awaits it is stopped by its own next co_await, as always.
///
/// Both streams must belong to one executor, on which all work is done; the coroutine may be
/// elsewhere. If they do not, a failure of kind invalid_input says so: connect on the executor of
/// the stream that is there, `co_await run_on(down.get_executor(), connect_and_forward(...))`.
awaitable<forward_outcome> forward(stream a, stream b, forward_options options = {},
                                   std::source_location where = std::source_location::current());

}  // namespace weft::io
