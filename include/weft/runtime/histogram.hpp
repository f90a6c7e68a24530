// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace weft {

/// How durations are spread: counts in buckets, for percentiles.
///
///     weft::histogram took;
///     took.record(812us);
///     took.record(3ms);
///     CHECK(took.percentile(0.5) >= 812us);
///
/// A bucket is at most a sixteenth of its value wide, from a nanosecond to twenty hours (what is
/// longer counts as that), so a percentile is at most 6.25 % above the truth; `max()` is exact. It
/// takes 6 KiB and never allocates. Recording is a few relaxed atomic additions: from any thread,
/// without a lock. What is read while others record may lack what they are at.
class histogram {
  public:
    using duration = std::chrono::nanoseconds;

    histogram() noexcept = default;
    histogram(const histogram& other) noexcept { *this = other; }
    /// Takes the other's counts as they are now.
    histogram& operator=(const histogram& other) noexcept;

    /// Counts `d` (below zero: zero) `n` times.
    void record(duration d, std::uint64_t n = 1) noexcept;
    /// For what is asked every `interval` and waited for: a stall of `d` held up all who would have
    /// asked meanwhile, so it also counts d - interval, d - 2 interval, and so on. Without that a
    /// stall of ten seconds would be one sample among thousands.
    void record_stall(duration d, duration interval) noexcept;
    /// Adds the counts of another.
    void add(const histogram& other) noexcept;
    void clear() noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept;
    /// The longest that was recorded; zero when nothing was.
    [[nodiscard]] duration max() const noexcept {
        return duration(max_.load(std::memory_order_relaxed));
    }
    /// So much and no more took the fraction `p` (0 to 1) of what was recorded: 0.99 for the 99th
    /// percentile. Zero when nothing was.
    [[nodiscard]] duration percentile(double p) const noexcept;

  private:
    static constexpr unsigned fine_bits = 4;  // a power of two is cut into 2^4
    static constexpr unsigned octaves = 46;
    static constexpr std::size_t buckets = (octaves - fine_bits + 1) << fine_bits;

    static std::size_t bucket_of(std::int64_t ns) noexcept;
    static std::int64_t last_of(std::size_t bucket) noexcept;

    std::array<std::atomic<std::uint64_t>, buckets> counts_{};
    std::atomic<std::int64_t> max_{0};
};

}  // namespace weft
