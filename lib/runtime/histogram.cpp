// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/histogram.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft {

// Values below 2^fine_bits have a bucket each. Above, a value's bucket is its power of two and the
// next fine_bits bits of it.

std::size_t histogram::bucket_of(std::int64_t ns) noexcept {
    constexpr std::int64_t longest = (std::int64_t{1} << octaves) - 1;
    const auto v = static_cast<std::uint64_t>(std::clamp(ns, std::int64_t{0}, longest));
    const auto top = static_cast<unsigned>(std::bit_width(v));
    if (top <= fine_bits) return v;
    const unsigned shift = top - 1 - fine_bits;
    return ((std::size_t{shift} + 1) << fine_bits) + (v >> shift) - (std::size_t{1} << fine_bits);
}

std::int64_t histogram::last_of(std::size_t bucket) noexcept {
    const std::size_t group = bucket >> fine_bits;
    if (group == 0) return static_cast<std::int64_t>(bucket);
    const std::size_t fine = bucket & ((1u << fine_bits) - 1);
    const std::uint64_t next = (std::uint64_t{1} << fine_bits) + fine + 1;
    return static_cast<std::int64_t>((next << (group - 1)) - 1);
}

histogram& histogram::operator=(const histogram& other) noexcept {
    if (this == &other) return *this;
    for (std::size_t i = 0; i < buckets; ++i)
        counts_[i].store(other.counts_[i].load(std::memory_order_relaxed),
                         std::memory_order_relaxed);
    max_.store(other.max_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
}

void histogram::record(duration d, std::uint64_t n) noexcept {
    const std::int64_t ns = std::max<std::int64_t>(d.count(), 0);
    counts_[bucket_of(ns)].fetch_add(n, std::memory_order_relaxed);
    std::int64_t seen = max_.load(std::memory_order_relaxed);
    while (seen < ns && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
    }
}

void histogram::record_stall(duration d, duration interval) noexcept {
    record(d);
    if (interval <= duration::zero() || d <= interval) return;
    // A stall of hours is not told sample by sample.
    constexpr std::int64_t steps = 1024;
    const std::int64_t missed = d / interval - (d % interval == duration::zero() ? 1 : 0);
    const std::int64_t each = missed / steps + 1;
    for (std::int64_t i = 1; i <= missed; i += each)
        record(d - i * interval, static_cast<std::uint64_t>(std::min(each, missed - i + 1)));
}

void histogram::add(const histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i)
        if (const auto n = other.counts_[i].load(std::memory_order_relaxed))
            counts_[i].fetch_add(n, std::memory_order_relaxed);
    const std::int64_t ns = other.max_.load(std::memory_order_relaxed);
    std::int64_t seen = max_.load(std::memory_order_relaxed);
    while (seen < ns && !max_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
    }
}

void histogram::clear() noexcept {
    for (auto& c : counts_) c.store(0, std::memory_order_relaxed);
    max_.store(0, std::memory_order_relaxed);
}

std::uint64_t histogram::count() const noexcept {
    std::uint64_t n = 0;
    for (const auto& c : counts_) n += c.load(std::memory_order_relaxed);
    return n;
}

histogram::duration histogram::percentile(double p) const noexcept {
    const std::uint64_t all = count();
    if (all == 0) return {};
    const double rank = std::ceil(std::clamp(p, 0.0, 1.0) * static_cast<double>(all));
    const auto wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(rank), 1);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        below += counts_[i].load(std::memory_order_relaxed);
        if (below >= wanted) return std::min(duration(last_of(i)), max());
    }
    return max();
}

}  // namespace weft
