// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/detail/keyed_buckets.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace weft::detail {

namespace {

std::uint64_t load(const unsigned char* p, std::size_t n) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < n; ++i) word |= std::uint64_t{p[i]} << (8 * i);
    return word;
}

struct sip_state {
    std::uint64_t v0, v1, v2, v3;

    void round() noexcept {
        v0 += v1;
        v2 += v3;
        v1 = std::rotl(v1, 13) ^ v0;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 = std::rotl(v0, 32);
        v2 += v1;
        v0 += v3;
        v1 = std::rotl(v1, 17) ^ v2;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 = std::rotl(v2, 32);
    }
    void take(std::uint64_t m) noexcept {
        v3 ^= m;
        round();
        round();
        v0 ^= m;
    }
};

}  // namespace

std::uint64_t siphash(const hash_secret& secret, const void* data, std::size_t size) noexcept {
    sip_state s{secret.k0 ^ 0x736f6d6570736575u, secret.k1 ^ 0x646f72616e646f6du,
                secret.k0 ^ 0x6c7967656e657261u, secret.k1 ^ 0x7465646279746573u};
    const auto* p = static_cast<const unsigned char*>(data);
    std::size_t left = size;
    for (; left >= 8; left -= 8, p += 8) s.take(load(p, 8));
    s.take(load(p, left) | (std::uint64_t{size & 0xff} << 56));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) s.round();
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

token_rate token_rate::of(std::uint64_t limit, clock::duration per, std::uint64_t burst) noexcept {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(per).count();
    const auto count = static_cast<std::int64_t>(
        std::clamp<std::uint64_t>(limit, 1, std::numeric_limits<std::int64_t>::max()));
    const std::int64_t interval = std::max<std::int64_t>(ns / count, 1);
    // No more ahead than a hundred years, or sums would overflow.
    constexpr std::int64_t most = std::int64_t{100} * 366 * 24 * 3600 * 1'000'000'000;
    const auto ahead = static_cast<std::int64_t>(std::clamp<std::uint64_t>(
        burst == 0 ? static_cast<std::uint64_t>(count) : burst, 1,
        std::max<std::uint64_t>(static_cast<std::uint64_t>(most / interval), 1)));
    return {interval, (ahead - 1) * interval};
}

keyed_buckets::keyed_buckets(std::size_t max_keys)
    : sets_(std::bit_ceil(std::max<std::size_t>((max_keys + max_keys / 3 + ways - 1) / ways, 1))),
      slots_(std::make_unique<slot[]>(sets_ * ways)) {}

void keyed_buckets::make_secret(std::uint64_t k0, std::uint64_t k1) noexcept {
    std::uint32_t seen = unset;
    if (state_.compare_exchange_strong(seen, making, std::memory_order_acquire)) {
        secret_ = {k0, k1};
        state_.store(ready, std::memory_order_release);
        state_.notify_all();
        return;
    }
    // Once in the layer's life, for as long as two stores take.
    while (state_.load(std::memory_order_acquire) != ready)
        state_.wait(making, std::memory_order_acquire);
}

token_bucket& keyed_buckets::find(std::uint64_t hash, std::int64_t now) noexcept {
    if (hash == 0) hash = 1;
    slot* const set = &slots_[(hash & (sets_ - 1)) * ways];
    for (;;) {
        slot* victim = nullptr;
        std::int64_t nearest = std::numeric_limits<std::int64_t>::max();
        for (std::size_t i = 0; i < ways; ++i) {
            const std::uint64_t its = set[i].hash.load(std::memory_order_acquire);
            if (its == hash) return set[i].bucket;
            const std::int64_t rest =
                its == 0 ? std::numeric_limits<std::int64_t>::min() : set[i].bucket.full_at();
            if (rest < nearest) {
                nearest = rest;
                victim = &set[i];
            }
        }
        std::uint64_t old = victim->hash.load(std::memory_order_relaxed);
        if (old == hash) return victim->bucket;
        // Two who bring the same new key at once take the same slot: both see the same set, and
        // the one who loses looks again.
        if (!victim->hash.compare_exchange_strong(old, hash, std::memory_order_acq_rel)) continue;
        if (victim->bucket.full_at() > now) victim->bucket.reset(now);
        return victim->bucket;
    }
}

std::size_t keyed_buckets::busy(std::int64_t now) const noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0; i < capacity(); ++i)
        if (slots_[i].hash.load(std::memory_order_relaxed) != 0 && slots_[i].bucket.full_at() > now)
            ++n;
    return n;
}

}  // namespace weft::detail
