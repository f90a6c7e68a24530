// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The lock-free, append-only store under weft::extensions.
//
// - Entries lie in blocks of memory that are filled from the front and given back only when the
//   store ends; the first block is part of the store's own allocation. So references stay good,
//   and no reader ever needs protection.
// - A type is found through a trie on the hash of its name, four children a node: the first entry
//   of each type in a store is preceded in memory by its node. A child only ever changes from null
//   to a node, and a node's `newest` to a younger entry, each by one compare-and-swap.
// - A 64-bit filter of the hashes answers most misses with one load.
// - Every entry is also in one chain over all types, newest first: for history and the destructor.
// - The order is counted in the root of a family of forks. It is drawn after the older neighbour
//   was read and before the entry is published, again on each attempt, so it strictly falls along a
//   type's chain, and an insert that happens after another one in the family, by any thread, has
//   the larger number.

#include <weft/core/detail/extension_store.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft {

struct tick_access {
    using cell = tick_source::cell;
    static cell* of(const tick_source& t) noexcept { return t.cell_; }
    static tick_source adopt(cell* c) noexcept { return tick_source(c); }
};

}  // namespace weft

namespace weft::detail {

struct alignas(16) memory_block {
    memory_block* next;
    std::size_t capacity;
    std::atomic<std::size_t> used;

    std::byte* memory() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
    /// Null when `size` bytes, a multiple of 16, do not fit.
    std::byte* take(std::size_t size) noexcept {
        std::size_t at = used.load(std::memory_order_relaxed);
        do {
            if (size > capacity - at) return nullptr;
        } while (!used.compare_exchange_weak(at, at + size, std::memory_order_relaxed));
        return memory() + at;
    }
};

struct retired_link {
    extension_store* store;
    retired_link* next;
};

/// In front of the first entry of a type.
struct type_node {
    std::atomic<type_node*> children[4];
    std::atomic<extension_entry*> newest;

    [[nodiscard]] extension_entry* first() noexcept {
        return reinterpret_cast<extension_entry*>(this + 1);
    }
    static type_node* of(extension_entry* first) noexcept {
        return reinterpret_cast<type_node*>(first) - 1;
    }
};
static_assert(alignof(type_node) == alignof(extension_entry));

struct extension_store {
    std::atomic<std::uint32_t> refs{1};
    std::atomic<bool> has_scoped{false};  ///< a connection-scoped entry
    bool owns_ticks = false;
    extension_store* parent = nullptr;  ///< counted
    extension_store* root = this;       ///< kept alive by the parents
    tick_access::cell* ticks = nullptr;
    std::atomic<std::uint64_t> filter{0};
    std::atomic<type_node*> types{nullptr};
    std::atomic<extension_entry*> newest{nullptr};
    std::atomic<extension_store*> links[2] = {};  ///< by link_side; counted
    std::atomic<retired_link*> retired{nullptr};  ///< links that were replaced; counted
    std::atomic<std::uint64_t> next_order{0};     ///< of the root
    std::atomic<memory_block*> large{nullptr};    ///< blocks for one entry each
    std::atomic<memory_block*> current;           ///< the block being filled; the older ones follow
    // The first block follows.

    [[nodiscard]] memory_block* inner() noexcept {
        const auto end = reinterpret_cast<std::uintptr_t>(this + 1);
        return reinterpret_cast<memory_block*>((end + alignof(memory_block) - 1) &
                                               ~(alignof(memory_block) - 1));
    }
};

// What the low two bits of a word say (see <weft/core/detail/extension_store.hpp>).
enum word_tag : std::uintptr_t {
    tag_store = 0,
    tag_fork = 1,
    tag_ticks = 2,
    tag_ingress = 3,
    tag_mask = 3
};

}  // namespace weft::detail
