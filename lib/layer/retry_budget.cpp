// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/retry_budget.hpp>

#include <algorithm>
#include <atomic>

namespace weft {

namespace {
constexpr std::int64_t one = 1'000'000;  // a retry, as it is counted
}

struct retry_budget::state {
    explicit state(const retry_budget_options& o)
        : earned(static_cast<std::int64_t>(std::clamp(o.ratio, 0.0, 1000.0) * one)),
          most(static_cast<std::int64_t>(std::min<std::size_t>(o.saved, 1'000'000'000)) * one),
          always(detail::token_rate::of(o.per_second, std::chrono::seconds(1), 0)),
          has_always(o.per_second > 0) {}

    const std::int64_t earned;
    const std::int64_t most;
    const detail::token_rate always;
    const bool has_always;
    std::atomic<std::int64_t> balance{0};
    detail::token_bucket trickle;
};

retry_budget::retry_budget(const retry_budget_options& options)
    : state_(std::make_shared<state>(options)) {}

void retry_budget::earn() const noexcept {
    if (!state_) return;
    std::int64_t had = state_->balance.load(std::memory_order_relaxed);
    // Full most of the time: then nothing is written, and cores do not disturb each other.
    while (had < state_->most &&
           !state_->balance.compare_exchange_weak(had, std::min(had + state_->earned, state_->most),
                                                  std::memory_order_relaxed)) {
    }
}

bool retry_budget::spend(clock::time_point now) const noexcept {
    if (!state_) return true;
    std::int64_t had = state_->balance.load(std::memory_order_relaxed);
    while (had >= one)
        if (state_->balance.compare_exchange_weak(had, had - one, std::memory_order_relaxed))
            return true;
    return state_->has_always &&
           state_->trickle.take(detail::bucket_time(now), state_->always, 0).granted;
}

double retry_budget::saved() const noexcept {
    return state_ ? static_cast<double>(state_->balance.load(std::memory_order_relaxed)) / one : 0;
}

}  // namespace weft
