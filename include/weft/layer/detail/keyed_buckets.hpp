// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Token buckets by key, in a table of fixed size and without a lock: what a keyed rate_limit is
// made of.
//
// The table is a cache of sets of eight slots; a key belongs to one set, by a hash (SipHash-2-4)
// under a random secret, so that nobody outside can aim at a set, or at another key's slot. A slot
// is the hash and the bucket, two words. A key that comes new takes a slot that is unused or whose
// bucket is at rest, which loses nothing; when all eight are busy, the one that is nearest to rest,
// whose key then begins anew with a full bucket.

#include <weft/layer/detail/token_bucket.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

namespace weft::detail {

struct hash_secret {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

/// SipHash-2-4.
std::uint64_t siphash(const hash_secret& secret, const void* data, std::size_t size) noexcept;

template <class K>
concept hashable_key = std::convertible_to<const K&, std::string_view> ||
                       (std::is_trivially_copyable_v<K> && !std::is_pointer_v<K> &&
                        std::has_unique_object_representations_v<K>);

template <hashable_key K>
std::uint64_t key_hash(const hash_secret& secret, const K& key) noexcept {
    if constexpr (std::convertible_to<const K&, std::string_view>) {
        const std::string_view text = key;
        return siphash(secret, text.data(), text.size());
    } else {
        return siphash(secret, &key, sizeof(key));
    }
}

class keyed_buckets {
  public:
    /// Room for `max_keys` and a third more, so that sets do not fill up before the table does.
    explicit keyed_buckets(std::size_t max_keys);

    /// The secret is drawn at the first call.
    template <class Random>
    const hash_secret& secret(Random&& random) noexcept {
        if (state_.load(std::memory_order_acquire) != ready) make_secret(random(), random());
        return secret_;
    }

    /// The bucket of that hash, found or begun. It stays a valid bucket for ever, but may become
    /// another key's.
    token_bucket& find(std::uint64_t hash, std::int64_t now) noexcept;

    /// Keys whose bucket is not at rest.
    [[nodiscard]] std::size_t busy(std::int64_t now) const noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept { return sets_ * ways; }

  private:
    static constexpr std::size_t ways = 8;
    static constexpr std::uint32_t unset = 0, making = 1, ready = 2;
    struct slot {
        std::atomic<std::uint64_t> hash{0};  // 0: unused
        token_bucket bucket;
    };
    void make_secret(std::uint64_t k0, std::uint64_t k1) noexcept;

    std::size_t sets_;  // a power of two
    std::unique_ptr<slot[]> slots_;
    hash_secret secret_;
    std::atomic<std::uint32_t> state_{unset};
};

}  // namespace weft::detail
