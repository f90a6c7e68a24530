// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/call_failures.hpp>
#include <weft/layer/detail/outcome.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// Calls as a `count` has seen them.
struct call_counts {
    std::uint64_t total = 0;      ///< have begun
    std::uint64_t failed = 0;     ///< have failed
    std::uint64_t cancelled = 0;  ///< were cancelled, or destroyed with their context
    std::int64_t in_flight = 0;   ///< have not ended
};

namespace detail {

/// Counters in several cache lines, so that cores do not write to the same one.
class sharded_counts {
  public:
    struct alignas(64) shard {
        std::atomic<std::uint64_t> begun{0};
        std::atomic<std::uint64_t> failed{0};
        std::atomic<std::uint64_t> cancelled{0};
        std::atomic<std::uint64_t> ended{0};
    };
    /// The one of the thread that asks.
    shard& here() noexcept;
    [[nodiscard]] call_counts sum() const noexcept;

  private:
    std::array<shard, 16> shards_;
};

/// One call, counted for as long as it lives.
class counted_call {
  public:
    explicit counted_call(sharded_counts& counts) noexcept : counts_(counts) {
        counts_.here().begun.fetch_add(1, std::memory_order_relaxed);
    }
    counted_call(const counted_call&) = delete;
    counted_call& operator=(const counted_call&) = delete;
    ~counted_call() {
        auto& shard = counts_.here();
        if (how_ == how::failed) shard.failed.fetch_add(1, std::memory_order_relaxed);
        if (how_ == how::abandoned) shard.cancelled.fetch_add(1, std::memory_order_relaxed);
        shard.ended.fetch_add(1, std::memory_order_relaxed);
    }
    void ended(bool failed) noexcept { how_ = failed ? how::failed : how::well; }

  private:
    enum class how : unsigned char { abandoned, well, failed };
    sharded_counts& counts_;
    how how_ = how::abandoned;
};

}  // namespace detail

/// Counts calls: how many have begun, have failed, were cancelled, and are in flight.
///
///     weft::count counted;
///     auto app = counted >> router;
///     fmt::print("{} in flight, {} failed", counted.now().in_flight, counted.now().failed);
///
/// Belongs wherever you want to know: outermost it counts what clients see, inside of a limit what
/// passed it. `Failed` says what failed (layer/call_failures.hpp); http::server_errors counts 5xx.
///
/// **Sharing.** Copies share the counts, on all cores; each thread adds to a cache line of its own
/// (of sixteen), so a call costs a coroutine and two or three additions without contention. `now()`
/// sums up, and is exact when no call begins or ends meanwhile.
template <class Failed = any_failure>
class count : public pipeable {
  public:
    explicit count(Failed failed = {})
        : counts_(std::make_shared<detail::sharded_counts>()), failed_(std::move(failed)) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        using Res = response_of<Next, Req>;
        detail::counted_call call(*counts_);
        std::exception_ptr thrown;
        std::optional<detail::answer_of<Res>> answer;
        try {
            if constexpr (std::is_void_v<Res>) {
                co_await next(std::move(request));
                answer.emplace();
            } else {
                answer.emplace(co_await next(std::move(request)));
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown) {
            if (!detail::is_cancellation(thrown)) call.ended(failed_(failure::from(thrown)));
            std::rethrow_exception(thrown);
        }
        call.ended(detail::response_failed(failed_, *answer));
        co_return detail::answer_from<Res>(answer);
    }

    [[nodiscard]] call_counts now() const noexcept { return counts_->sum(); }

  private:
    std::shared_ptr<detail::sharded_counts> counts_;
    [[no_unique_address]] Failed failed_;
};

count() -> count<>;

}  // namespace weft
