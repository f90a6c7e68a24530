// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/io/throttle.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>

namespace weft::io {

namespace asio = boost::asio;

/// One number: the time at which the bucket is, or was, empty. Every byte that is taken moves it on
/// by what a byte costs; it never lags behind now by more than the burst is worth. So taking is one
/// compare-and-swap, and reservations stand in line by themselves.
struct bandwidth::bucket {
    static constexpr std::int64_t second = 1'000'000'000;
    static constexpr std::int64_t never_used = INT64_MIN / 2;

    bucket(std::uint64_t r, std::size_t b) noexcept : rate(r), burst(b) {}

    [[nodiscard]] static std::int64_t nanoseconds(time_point t) noexcept {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
    }
    /// Rounded up, so that many small ones are not free.
    [[nodiscard]] static std::int64_t cost(std::size_t bytes, std::uint64_t per_second) noexcept {
        const auto whole = static_cast<double>(bytes) * second / static_cast<double>(per_second);
        return static_cast<std::int64_t>(std::min(whole, 1e18)) + (bytes > 0 ? 1 : 0);
    }

    std::atomic<std::uint64_t> rate;
    const std::size_t burst;
    std::atomic<std::int64_t> empty_at{never_used};
};

namespace {

std::size_t tenth(std::uint64_t rate) noexcept {
    return static_cast<std::size_t>(std::max<std::uint64_t>(rate / 10, 1));
}

}  // namespace

bandwidth::bandwidth(std::uint64_t bytes_per_second, std::size_t burst)
    : bucket_(std::make_shared<bucket>(bytes_per_second,
                                       burst > 0 ? burst : tenth(bytes_per_second))) {}

std::uint64_t bandwidth::bytes_per_second() const noexcept {
    return bucket_->rate.load(std::memory_order_relaxed);
}

std::size_t bandwidth::burst() const noexcept { return bucket_->burst; }

void bandwidth::set_rate(std::uint64_t bytes_per_second) noexcept {
    bucket_->rate.store(bytes_per_second, std::memory_order_relaxed);
}

std::size_t bandwidth::take_now(std::size_t bytes, time_point now) noexcept {
    const std::uint64_t rate = bytes_per_second();
    if (rate == 0) return bytes;
    const std::int64_t at = bucket::nanoseconds(now);
    const std::int64_t full = at - bucket::cost(bucket_->burst, rate);
    std::int64_t seen = bucket_->empty_at.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t from = std::max(seen, full);
        if (from >= at) return 0;
        const double there =
            static_cast<double>(at - from) * static_cast<double>(rate) / bucket::second;
        const auto n = static_cast<std::size_t>(std::min(static_cast<double>(bytes), there));
        if (n == 0) return 0;
        if (bucket_->empty_at.compare_exchange_weak(seen, from + bucket::cost(n, rate),
                                                    std::memory_order_relaxed))
            return n;
    }
}

bandwidth::time_point bandwidth::reserve(std::size_t bytes, time_point now) noexcept {
    const std::uint64_t rate = bytes_per_second();
    if (rate == 0) return now;
    const std::int64_t at = bucket::nanoseconds(now);
    const std::int64_t full = at - bucket::cost(bucket_->burst, rate);
    std::int64_t seen = bucket_->empty_at.load(std::memory_order_relaxed);
    std::int64_t next = 0;
    do {
        next = std::max(seen, full) + bucket::cost(bytes, rate);
    } while (!bucket_->empty_at.compare_exchange_weak(seen, next, std::memory_order_relaxed));
    return now + std::chrono::nanoseconds(std::max<std::int64_t>(next - at, 0));
}

void bandwidth::give_back(std::size_t bytes) noexcept {
    const std::uint64_t rate = bytes_per_second();
    if (rate == 0 || bytes == 0) return;
    bucket_->empty_at.fetch_sub(bucket::cost(bytes, rate), std::memory_order_relaxed);
}

awaitable<void> bandwidth::acquire(std::size_t bytes, std::source_location where) {
    const auto wait = [](bandwidth self, std::size_t n,
                         std::source_location at) -> awaitable<void> {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        const auto now = context_info::of(executor).clock().now();
        const auto turn = self.reserve(n, now);
        if (turn <= now) co_return;
        std::exception_ptr cancelled;
        try {
            co_await sleep_until(turn, at);
        } catch (...) {
            cancelled = std::current_exception();
        }
        if (!cancelled) co_return;
        self.give_back(n);
        std::rethrow_exception(cancelled);
    };
    return wait(*this, bytes, where);
}

}  // namespace weft::io
