// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "extension_store.hpp"
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>

#include <algorithm>
#include <functional>
#include <new>
#include <utility>

namespace weft::detail {
namespace {

// One allocation of this size makes a store and its first block: room for four entries of up to
// eight bytes and different types. The next block is twice as large as the one before.
constexpr std::size_t roomy_store = 512;
constexpr std::size_t smallest_block = 512 - sizeof(memory_block);
constexpr std::size_t largest_block = 16384 - sizeof(memory_block);

constexpr std::size_t round16(std::size_t n) { return (n + 15) & ~std::size_t{15}; }

constexpr std::size_t store_head = round16(sizeof(extension_store)) + sizeof(memory_block);
static_assert(store_head <= 192);

// Aligned new is slower, so it is used only where plain new gives less than 16.
void* allocate(std::size_t size) {
    if constexpr (__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16)
        return ::operator new(size);
    else
        return ::operator new(size, std::align_val_t{16});
}
void deallocate(void* memory) noexcept {
    if constexpr (__STDCPP_DEFAULT_NEW_ALIGNMENT__ >= 16)
        ::operator delete(memory);
    else
        ::operator delete(memory, std::align_val_t{16});
}

memory_block* make_block(std::size_t capacity, std::size_t used) {
    auto* block = static_cast<memory_block*>(allocate(sizeof(memory_block) + capacity));
    return ::new (block) memory_block{nullptr, capacity, used};
}

extension_store* make_store(bool roomy) {
    const std::size_t size = roomy ? roomy_store : store_head;
    auto* store = ::new (allocate(size)) extension_store;
    store->current.store(::new (store->inner()) memory_block{nullptr, size - store_head, 0},
                         std::memory_order_relaxed);
    return store;
}

template <class T>
void push(std::atomic<T*>& head, T* item, T* T::* next) noexcept {
    T* seen = head.load(std::memory_order_relaxed);
    do item->*next = seen;
    while (!head.compare_exchange_weak(seen, item, std::memory_order_release,
                                       std::memory_order_relaxed));
}

void* take_memory(extension_store& store, std::size_t size) {
    size = round16(size);
    memory_block* block = store.current.load(std::memory_order_acquire);
    for (;;) {
        if (void* memory = block->take(size)) return memory;
        const std::size_t capacity = std::clamp(block->capacity * 2, smallest_block, largest_block);
        if (size > capacity / 4) {
            // Would waste what is left of a block: it gets one of its own.
            memory_block* own = make_block(size, size);
            push(store.large, own, &memory_block::next);
            return own->memory();
        }
        memory_block* fresh = make_block(capacity, size);
        fresh->next = block;
        if (store.current.compare_exchange_strong(block, fresh, std::memory_order_release,
                                                  std::memory_order_acquire))
            return fresh->memory();
        deallocate(fresh);  // another thread was first: try its block
    }
}

extension_store* pointer(std::uintptr_t word) noexcept {
    return reinterpret_cast<extension_store*>(word & ~std::uintptr_t{tag_mask});
}
std::uintptr_t tagged(const void* p, word_tag tag) noexcept {
    return reinterpret_cast<std::uintptr_t>(p) | tag;
}

/// The nearest store whose entries the word shows, or null.
extension_store* visible(std::uintptr_t word) noexcept {
    return (word & tag_mask) <= tag_fork ? pointer(word) : nullptr;
}

/// The word's own store, made if need be.
extension_store* own_store(extension_word& word, bool roomy) {
    std::uintptr_t seen = word.load(std::memory_order_acquire);
    if (seen != 0 && (seen & tag_mask) == tag_store) return pointer(seen);
    extension_store* made = make_store(roomy);
    for (;;) {
        made->parent = nullptr;
        made->root = made;
        made->ticks = nullptr;
        made->owns_ticks = false;
        made->links[0].store(nullptr, std::memory_order_relaxed);
        // The word's reference becomes the store's.
        switch (seen & tag_mask) {
            case tag_fork:
                made->parent = pointer(seen);
                made->root = made->parent->root;
                made->ticks = made->parent->ticks;
                break;
            case tag_ticks:
                made->ticks = reinterpret_cast<tick_access::cell*>(pointer(seen));
                made->owns_ticks = true;
                break;
            case tag_ingress:
                made->links[0].store(pointer(seen), std::memory_order_relaxed);
                made->ticks = pointer(seen)->ticks;
                break;
            default:
                break;
        }
        if (word.compare_exchange_strong(seen, tagged(made, tag_store), std::memory_order_acq_rel,
                                         std::memory_order_acquire))
            return made;
        if (seen != 0 && (seen & tag_mask) == tag_store) {
            deallocate(made);
            return pointer(seen);
        }
    }
}

type_node* find_type(const extension_store& store, const extension_type& type) noexcept {
    if (!(store.filter.load(std::memory_order_relaxed) >> (type.hash & 63) & 1)) return nullptr;
    std::uint64_t hash = type.hash;
    type_node* node = store.types.load(std::memory_order_acquire);
    while (node && node->first()->type != &type) {
        node = node->children[hash >> 62].load(std::memory_order_acquire);
        hash <<= 2;
    }
    return node;
}

const extension_entry* find_from(const extension_store* store,
                                 const extension_type& type) noexcept {
    const extension_entry* best = nullptr;
    for (; store; store = store->parent)
        if (type_node* node = find_type(*store, type)) {
            const extension_entry* e = node->newest.load(std::memory_order_acquire);
            // A parent's later entry is newer than the fork's own.
            if (!best || e->order > best->order) best = e;
        }
    return best;
}

extension_store* linked_from(const extension_store* store, link_side side) noexcept {
    for (; store; store = store->parent)
        if (auto* to = store->links[static_cast<int>(side)].load(std::memory_order_acquire))
            return to;
    return nullptr;
}

/// Not counted.
extension_store* linked_store(std::uintptr_t word, link_side side) noexcept {
    if ((word & tag_mask) == tag_ingress)
        return side == link_side::ingress ? pointer(word) : nullptr;
    return linked_from(visible(word), side);
}

/// Whether `from` keeps `target` alive.
bool reaches(const extension_store* from, const extension_store* target) noexcept {
    for (; from; from = from->parent) {
        if (from == target) return true;
        for (const auto& link : from->links)
            if (auto* next = link.load(std::memory_order_acquire); next && reaches(next, target))
                return true;
    }
    return false;
}

std::uint64_t draw_order(extension_store& store) noexcept {
    return store.root->next_order.fetch_add(1, std::memory_order_relaxed);
}

/// Puts the entry where its type is found. Returns it, or with `only` what was there before it.
extension_entry* publish_type(extension_store& store, extension_entry* e, bool only) noexcept {
    // The entry has a node in front of it unless its type was there when its memory was reserved;
    // and types stay.
    const std::uint64_t bit = std::uint64_t{1} << (e->type->hash & 63);
    std::uint64_t hash = e->type->hash;
    std::atomic<type_node*>* at = &store.types;
    type_node* node = at->load(std::memory_order_acquire);
    for (;;) {
        if (!node) {
            // The filter first: who finds the node, and adds to it, must be found in turn.
            if (!(store.filter.load(std::memory_order_relaxed) & bit))
                store.filter.fetch_or(bit, std::memory_order_relaxed);
            e->order = draw_order(store);
            type_node* mine = type_node::of(e);
            mine->newest.store(e, std::memory_order_relaxed);
            if (at->compare_exchange_strong(node, mine, std::memory_order_release,
                                            std::memory_order_acquire))
                return e;
        } else if (node->first()->type == e->type) {
            break;
        } else {
            at = &node->children[hash >> 62];
            hash <<= 2;
            node = at->load(std::memory_order_acquire);
        }
    }
    extension_entry* older = node->newest.load(std::memory_order_acquire);
    if (only) return older;
    do {
        e->order = draw_order(store);
        e->older_same_type = older;
    } while (!node->newest.compare_exchange_weak(older, e, std::memory_order_release,
                                                 std::memory_order_acquire));
    return e;
}

void copy_entry(extension_store& to, const extension_entry& e) {
    const reserved_entry room = reserve(to, *e.type, e.where);
    e.type->scoped->copy(e.value(), room.value);
    publish(room);
}

void destroy(extension_entry* e) noexcept {
    if (e->type->destroy) e->type->destroy(e->value());
}

/// Drops a reference; a store that lost its last goes onto the list, through `root`, which it needs
/// no more.
void drop(extension_store* store, extension_store*& dead) noexcept {
    if (store && store->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
        store->root = std::exchange(dead, store);
}

void end(extension_store* store, extension_store*& dead) noexcept {
    for (auto* e = store->newest.load(std::memory_order_relaxed); e;) {
        auto* older = e->older;
        destroy(e);
        e = older;
    }
    for (auto& link : store->links) drop(link.load(std::memory_order_relaxed), dead);
    for (auto* r = store->retired.load(std::memory_order_relaxed); r; r = r->next)
        drop(r->store, dead);
    drop(store->parent, dead);
    if (store->owns_ticks) static_cast<void>(tick_access::adopt(store->ticks));
    for (auto* head : {store->large.load(std::memory_order_relaxed),
                       store->current.load(std::memory_order_relaxed)})
        for (auto* block = head; block && block != store->inner();)
            deallocate(std::exchange(block, block->next));
    store->~extension_store();
    deallocate(store);
}

}  // namespace

void retain(extension_store* store) noexcept {
    store->refs.fetch_add(1, std::memory_order_relaxed);
}

void release(extension_store* store) noexcept {
    // A loop, not a recursion: chains of forks may be long.
    extension_store* dead = nullptr;
    drop(store, dead);
    while (dead) end(std::exchange(dead, dead->root), dead);
}

void release_word(std::uintptr_t word) noexcept {
    if ((word & tag_mask) == tag_ticks)
        static_cast<void>(tick_access::adopt(reinterpret_cast<tick_access::cell*>(pointer(word))));
    else
        release(pointer(word));
}

std::uintptr_t word_of(const tick_source& ticks) noexcept {
    auto* cell = tick_access::of(ticks);
    if (!cell) return 0;
    cell->refs.fetch_add(1, std::memory_order_relaxed);
    return tagged(cell, tag_ticks);
}

tick_source ticks_of(std::uintptr_t word) noexcept {
    if (word == 0) return {};
    auto* cell = (word & tag_mask) == tag_ticks
                     ? reinterpret_cast<tick_access::cell*>(pointer(word))
                     : pointer(word)->ticks;
    if (!cell) return {};
    cell->refs.fetch_add(1, std::memory_order_relaxed);
    return tick_access::adopt(cell);
}

store_ref link_word(extension_word& word) {
    extension_store* store = own_store(word, false);
    retain(store);
    return store_ref(store);
}

std::uintptr_t fork_word(extension_word& word) {
    extension_store* store = own_store(word, false);
    retain(store);
    return tagged(store, tag_fork);
}

store_ref linked(std::uintptr_t word, link_side side) noexcept {
    extension_store* store = linked_store(word, side);
    if (store) retain(store);
    return store_ref(store);
}

void set_linked(extension_word& word, link_side side, store_ref to) {
    extension_store* target = to.get();
    if (!target) return;
    std::uintptr_t empty = 0;
    if (side == link_side::ingress && word.load(std::memory_order_relaxed) == 0 &&
        word.compare_exchange_strong(empty, tagged(target, tag_ingress), std::memory_order_release,
                                     std::memory_order_relaxed)) {
        to.detach();
        return;
    }
    extension_store* store = own_store(word, false);
    // What only this handle knows, nobody else can reach.
    if (store->refs.load(std::memory_order_acquire) > 1 && reaches(target, store))
        throw failure(failure_kind::invalid_input,
                      "weft: this link would make a store of extensions keep itself alive");
    auto& link = store->links[static_cast<int>(side)];
    retired_link* keep = nullptr;
    extension_store* old = link.load(std::memory_order_acquire);
    do {
        if (old == target) return;
        if (old && !keep) keep = ::new (take_memory(*store, sizeof(retired_link))) retired_link{};
    } while (!link.compare_exchange_weak(old, target, std::memory_order_acq_rel,
                                         std::memory_order_acquire));
    to.detach();
    if (!old) return;
    // A reader may be about to count a reference to the old one, so it ends with this store.
    keep->store = old;
    push(store->retired, keep, &retired_link::next);
}

const extension_entry* find(std::uintptr_t word, const extension_type& type) noexcept {
    return find_from(visible(word), type);
}

const extension_entry* find_anywhere(std::uintptr_t word, const extension_type& type) noexcept {
    if (auto* e = find_from(visible(word), type)) return e;
    if (auto* e = find_from(linked_store(word, link_side::ingress), type)) return e;
    return find_from(linked_store(word, link_side::egress), type);
}

void collect(std::uintptr_t word, const extension_type& type, entry_list& found) {
    bool several = false;
    for (const extension_store* store = visible(word); store; store = store->parent) {
        type_node* node = find_type(*store, type);
        if (!node) continue;
        several = several || found.size() != 0;
        for (auto* e = node->newest.load(std::memory_order_acquire); e; e = e->older_same_type)
            found.push_back(e);
    }
    if (several)
        std::sort(found.data(), found.data() + found.size(),
                  [](const auto* a, const auto* b) { return a->order > b->order; });
}

store_ref collect(std::uintptr_t word, std::vector<leveled_entry>& found) {
    // A fork that has no store yet shows its parent's.
    std::size_t level = (word & tag_mask) == tag_fork ? 1 : 0;
    for (const extension_store* store = visible(word); store; store = store->parent, ++level)
        for (auto* e = store->newest.load(std::memory_order_acquire); e; e = e->older)
            found.push_back({e, level});
    // Threads that race enter the chain in another order than they drew their numbers.
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.entry->order < b.entry->order; });
    extension_store* top = visible(word);
    if (top) retain(top);
    return store_ref(top);
}

std::size_t own_size(std::uintptr_t word) noexcept {
    if ((word & tag_mask) != tag_store || word == 0) return 0;
    std::size_t n = 0;
    for (auto* e = pointer(word)->newest.load(std::memory_order_acquire); e; e = e->older) ++n;
    return n;
}

reserved_entry reserve(extension_word& word, const extension_type& type,
                       std::source_location where) {
    return reserve(*own_store(word, true), type, where);
}

reserved_entry reserve(extension_store& store, const extension_type& type,
                       std::source_location where) {
    const std::size_t front = find_type(store, type) ? 0 : sizeof(type_node);
    const std::size_t slack = type.align > alignof(extension_entry) ? type.align : 0;
    auto* memory = static_cast<std::byte*>(
        take_memory(store, front + sizeof(extension_entry) + slack + type.size));
    if (front) ::new (memory) type_node{};
    auto* e = ::new (memory + front) extension_entry{};
    e->type = &type;
    e->where = where;
    if (type.scoped) store.has_scoped.store(true, std::memory_order_relaxed);
    if (store.ticks) e->time = store.ticks->ticks.load(std::memory_order_relaxed);
    return {&store, e, e->value()};
}

void publish(const reserved_entry& room) noexcept {
    publish_type(*room.store, room.entry, false);
    push(room.store->newest, room.entry, &extension_entry::older);
}

const extension_entry* publish_only(const reserved_entry& room) noexcept {
    const extension_entry* winner = publish_type(*room.store, room.entry, true);
    if (winner == room.entry)
        push(room.store->newest, room.entry, &extension_entry::older);
    else
        destroy(room.entry);
    return winner;
}

store_ref copy_scoped(std::uintptr_t word, std::size_t& hash) {
    bool any = false;
    for (const extension_store* store = visible(word); store; store = store->parent)
        any = any || store->has_scoped.load(std::memory_order_relaxed);
    if (!any) return {};

    std::vector<leveled_entry> all;
    const store_ref keep = collect(word, all);
    std::vector<const extension_entry*> facts;
    for (auto e = all.rbegin(); e != all.rend(); ++e) {
        const extension_type* type = e->entry->type;
        const auto same = [&](const extension_entry* f) { return f->type == type; };
        if (type->scoped && std::none_of(facts.begin(), facts.end(), same))
            facts.push_back(e->entry);
    }
    if (facts.empty()) return {};
    // One order for all scopes, so that they can be compared entry by entry. Only two types of the
    // same name (in two anonymous namespaces) are told apart by their address, and nothing but
    // equality sees that order.
    std::sort(facts.begin(), facts.end(), [](const auto* a, const auto* b) {
        if (a->type->hash != b->type->hash) return a->type->hash < b->type->hash;
        return std::less<>{}(a->type, b->type);
    });
    store_ref made(make_store(true));
    hash = 0;
    for (const auto* f : facts) {
        copy_entry(*made.get(), *f);
        for (std::size_t part :
             {static_cast<std::size_t>(f->type->hash), f->type->scoped->hash(f->value())})
            hash ^= part + 0x9e3779b97f4a7c15U + (hash << 12) + (hash >> 4);
    }
    return made;
}

bool equal_scoped(std::uintptr_t a, std::uintptr_t b) {
    if (a == b) return true;
    if (a == 0 || b == 0) return false;
    auto* x = pointer(a)->newest.load(std::memory_order_acquire);
    auto* y = pointer(b)->newest.load(std::memory_order_acquire);
    for (; x && y; x = x->older, y = y->older)
        if (x->type != y->type || !x->type->scoped->equal(x->value(), y->value())) return false;
    return x == y;
}

void apply_scoped(std::uintptr_t facts, extension_word& to) {
    if (facts == 0) return;
    for (auto* e = pointer(facts)->newest.load(std::memory_order_acquire); e; e = e->older)
        copy_entry(*own_store(to, true), *e);
}

}  // namespace weft::detail
