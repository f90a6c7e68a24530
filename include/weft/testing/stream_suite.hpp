// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/io/stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft::testing {

class stream_trial;

/// One law that every io::stream keeps.
struct stream_law {
    std::string_view name;  ///< a sentence
    void (*check)(stream_trial&);
};

/// What the suite needs to know of a kind of stream; a law about what a kind cannot do is skipped.
struct stream_suite_options {
    /// shutdown_send ends one direction only.
    bool half_close = true;
    /// abort, and closing with unread input, reach the peer as connection_reset.
    bool resets = true;
    /// The streams live on the very executor that the factory was given, not on a strand of it.
    bool same_executor = true;
};

using stream_pair = std::pair<io::stream, io::stream>;
/// Makes two streams that are connected to each other, on the given executor. They must hold at
/// least 128 bytes in each direction without a reader, and less than 128 MiB.
using stream_pair_factory = std::function<awaitable<stream_pair>(boost::asio::any_io_executor)>;

/// Runs the laws of io::stream against pairs of connected
/// streams: for those who write a transport or a wrapper.
///
///     testing::stream_suite suite([](auto ex) -> awaitable<testing::stream_pair> {
///         co_return io::duplex(ex);
///     });
///     for (const testing::stream_law& law : testing::stream_laws()) {
///         INFO(law.name);
///         CHECK(suite.check(law) == "");
///     }
///
/// Each law gets fresh pairs on an io_context of its own, in real time, and fails when nothing
/// happens for ten seconds.
class stream_suite {
  public:
    explicit stream_suite(stream_pair_factory make, stream_suite_options options = {})
        : make_(std::move(make)), options_(options) {}

    /// Empty when the law is kept, else what happened, with the line of the suite.
    [[nodiscard]] std::string check(const stream_law& law) const;

  private:
    stream_pair_factory make_;
    stream_suite_options options_;
};

/// All laws.
std::span<const stream_law> stream_laws();

}  // namespace weft::testing
