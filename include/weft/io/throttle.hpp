// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>

namespace weft::io {

/// So many bytes per second: a token bucket that streams and sockets draw from. Copies share the
/// bucket.
///
///     const io::bandwidth uplink(10'000'000);             // all clients together
///     auto s = io::throttle(std::move(stream), {.write_rate = 500'000, .shared_write = uplink});
///
/// Who asks first is served first, however many share it, and the order is kept without a lock: any
/// thread, any executor whose clock is the same.
class bandwidth {
  public:
    using time_point = clock::time_point;

    /// `burst`: bytes that may pass at once after a pause; zero: a tenth of a second's worth. A
    /// rate of zero is no limit.
    explicit bandwidth(std::uint64_t bytes_per_second, std::size_t burst = 0);

    [[nodiscard]] std::uint64_t bytes_per_second() const noexcept;
    [[nodiscard]] std::size_t burst() const noexcept;
    /// For what is asked for from now on; the burst stays.
    void set_rate(std::uint64_t bytes_per_second) noexcept;

    /// Waits for its turn to move so many bytes, which may be more than the burst. Exact in time,
    /// and in a test's virtual time too. Cancelled, it gives the bytes back and throws
    /// operation_aborted.
    awaitable<void> acquire(std::size_t bytes,
                            std::source_location where = std::source_location::current());

    // For those who wait in their own way.

    /// Takes at most `bytes` that may move now; fewer or none when there are not so many.
    std::size_t take_now(std::size_t bytes, time_point now) noexcept;
    /// Takes so many, ahead of time when there are not so many: gives when they may move.
    time_point reserve(std::size_t bytes, time_point now) noexcept;
    /// Gives back what was taken and not moved.
    void give_back(std::size_t bytes) noexcept;

  private:
    struct bucket;
    std::shared_ptr<bucket> bucket_;
};

struct throttle_options {
    /// Bytes per second that come out of the stream; zero: no limit.
    std::uint64_t read_rate = 0;
    /// Bytes per second that go into it; zero: no limit.
    std::uint64_t write_rate = 0;
    /// Bytes that may pass at once after a pause, in each direction; zero: a tenth of a second's
    /// worth.
    std::size_t burst = 0;
    /// Further limits, common with others that hold the same bandwidth.
    std::optional<bandwidth> shared_read = {};
    std::optional<bandwidth> shared_write = {};
};

/// A stream that is not faster than it may: a slow client, a fair share, a quota of one tenant.
///
///     auto slow = io::throttle(std::move(connection), {.read_rate = 64'000, .write_rate = 9'000});
///
/// Goes around any stream and keeps its laws. Reads and writes move at most a burst, or 64 KiB, at
/// a time; over any second the bytes that pass are within the burst of the rate. What came in too
/// early (64 KiB at most) waits in the reader's own buffer; after that the peer feels it, because
/// nothing is read. A read that is cancelled then gives its bytes at once. native_socket() is -1,
/// so that nobody goes around it. Everything else is the inner stream's.
stream throttle(stream inner, throttle_options options);

}  // namespace weft::io
