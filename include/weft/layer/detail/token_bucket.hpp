// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// A token bucket in one word: what rate_limit and retry budgets are made of.
//
// The word is the time at which the bucket would be full again (the "theoretical arrival time" of
// ATM's generic cell rate algorithm, ITU-T I.371). Taking a token moves it one interval on, and is
// allowed while it is no further ahead than the burst. A bucket at rest has its time in the past,
// and is the same as a fresh one: forgetting it loses nothing.

#include <weft/runtime/clock.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace weft::detail {

/// In nanoseconds.
struct token_rate {
    std::int64_t interval;   ///< between two tokens
    std::int64_t tolerance;  ///< how far ahead of its time a call may come: (burst - 1) intervals

    static token_rate of(std::uint64_t limit, clock::duration per, std::uint64_t burst) noexcept;
};

class token_bucket {
  public:
    struct taken {
        bool granted;
        /// Until the token is there (0: now); of a refusal, until it would have been within
        /// `max_wait`.
        std::int64_t wait;
        std::int64_t word;  ///< for give_back
    };

    /// Takes the next token, if it is there within `max_wait`. A relaxed loop on one word.
    taken take(std::int64_t now, const token_rate& rate, std::int64_t max_wait) noexcept {
        std::int64_t full = full_at_.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t from = std::max(full, now);
            const std::int64_t wait = std::max<std::int64_t>(from - now - rate.tolerance, 0);
            if (wait > max_wait) return {false, wait - max_wait, 0};
            const std::int64_t next = from + rate.interval;
            if (full_at_.compare_exchange_weak(full, next, std::memory_order_relaxed))
                return {true, wait, next};
        }
    }

    /// Who did not wait for its token leaves it to the next one, if nobody has come after it;
    /// otherwise it is lost, and the rate is never exceeded.
    void give_back(const taken& t, const token_rate& rate) noexcept {
        std::int64_t expected = t.word;
        full_at_.compare_exchange_strong(expected, t.word - rate.interval,
                                         std::memory_order_relaxed);
    }

    [[nodiscard]] std::int64_t full_at() const noexcept {
        return full_at_.load(std::memory_order_relaxed);
    }
    void reset(std::int64_t full_at) noexcept {
        full_at_.store(full_at, std::memory_order_relaxed);
    }

  private:
    std::atomic<std::int64_t> full_at_{0};
};

/// The clock's time as the buckets count it.
inline std::int64_t bucket_time(clock::time_point t) noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

}  // namespace weft::detail
