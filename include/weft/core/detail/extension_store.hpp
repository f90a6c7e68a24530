// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The machinery under <weft/core/extensions.hpp>: how an entry looks, and the functions in
// lib/core/extensions.cpp that the templates call. Nothing here is for users.

#include <weft/core/config.hpp>
#include <weft/core/secret.hpp>
#include <weft/core/tick_source.hpp>
#include <weft/core/type_name.hpp>

#include <fmt/core.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <new>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

// Documented in <weft/core/connection_scoped.hpp>; declared here because an entry remembers it.
template <class T>
inline constexpr bool connection_scoped = false;

}  // namespace weft

namespace weft::detail {

/// FNV-1a, then a finalizer, because the trie reads
/// the top bits. From the name: the same in each run.
constexpr std::uint64_t extension_hash(std::string_view name) {
    std::uint64_t h = 0xcbf29ce484222325U;
    for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdU;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53U;
    return h ^ (h >> 33);
}

/// What a connection-scoped type must be able to do.
struct scoped_operations {
    bool (*equal)(const void*, const void*);
    std::size_t (*hash)(const void*);
    void (*copy)(const void* from, void* to);
};

/// What the store knows of a type. One object a type
/// in the program; its address is the type's identity.
struct extension_type {
    std::string_view name;
    std::uint64_t hash;
    std::size_t size;
    std::size_t align;
    void (*destroy)(void*) noexcept;           ///< null: nothing to do
    void (*print)(const void*, std::string&);  ///< null: only the name prints
    const scoped_operations* scoped;           ///< null: not connection-scoped
};

/// Formats "{}" behind `out`: the one place that instantiates fmt's writer is in lib/.
void print_extension(std::string& out, fmt::format_args args);

template <class T>
struct scoped_operations_of {
    static constexpr scoped_operations value{
        [](const void* a, const void* b) -> bool {
            return *static_cast<const T*>(a) == *static_cast<const T*>(b);
        },
        [](const void* v) -> std::size_t { return std::hash<T>{}(*static_cast<const T*>(v)); },
        [](const void* from, void* to) { ::new (to) T(*static_cast<const T*>(from)); }};
};

template <class T>
constexpr extension_type describe_extension() {
    extension_type t{
        type_name<T>(), extension_hash(type_name<T>()), sizeof(T), alignof(T), nullptr, nullptr,
        nullptr};
    if constexpr (!std::is_trivially_destructible_v<T>)
        t.destroy = [](void* v) noexcept { static_cast<T*>(v)->~T(); };
    if constexpr (!is_secret<T> && fmt::is_formattable<const T&>::value)
        t.print = [](const void* v, std::string& out) {
            const T& value = *static_cast<const T*>(v);
            print_extension(out, fmt::make_format_args(value));
        };
    if constexpr (connection_scoped<T>) {
        static_assert(
            std::is_copy_constructible_v<T> &&
                requires(const T& a) {
                    { a == a } -> std::convertible_to<bool>;
                    { std::hash<T>{}(a) } -> std::convertible_to<std::size_t>;
                },
            "weft: a connection_scoped type becomes part of a pool key: it needs ==, std::hash and "
            "a copy constructor");
        t.scoped = &scoped_operations_of<T>::value;
    }
    return t;
}

template <class T>
struct extension_type_of {
    static constexpr extension_type value = describe_extension<T>();
};

/// One entry; its value follows at the next address that
/// fits the type. Never changes once it is published.
struct extension_entry {
    static constexpr std::int64_t unknown_time = INT64_MIN;

    const extension_type* type = nullptr;
    extension_entry* older_same_type = nullptr;
    extension_entry* older = nullptr;
    std::uint64_t order = 0;  ///< counted over the store and all that share its root
    std::int64_t time = unknown_time;
    std::source_location where;

    [[nodiscard]] void* value() noexcept { return value(type->align); }
    [[nodiscard]] const void* value() const noexcept {
        return const_cast<extension_entry*>(this)->value();
    }
    [[nodiscard]] void* value(std::size_t align) noexcept {
        const auto end = reinterpret_cast<std::uintptr_t>(this + 1);
        return reinterpret_cast<void*>((end + align - 1) & ~(align - 1));
    }
};

template <class T>
[[nodiscard]] const T* entry_value(const extension_entry* e) noexcept {
    if (!e) return nullptr;
    return std::launder(static_cast<const T*>(const_cast<extension_entry*>(e)->value(alignof(T))));
}

/// Pointers to entries, newest first. Eight fit inside.
class entry_list {
  public:
    void push_back(const extension_entry* e) {
        if (count_ < std::size(few_)) {
            few_[count_++] = e;
            return;
        }
        if (many_.empty()) many_.assign(few_, few_ + count_);
        many_.push_back(e);
        ++count_;
    }
    [[nodiscard]] const extension_entry** data() noexcept {
        return many_.empty() ? few_ : many_.data();
    }
    [[nodiscard]] const extension_entry* const* data() const noexcept {
        return many_.empty() ? few_ : many_.data();
    }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

  private:
    const extension_entry* few_[8] = {};
    std::size_t count_ = 0;
    std::vector<const extension_entry*> many_;
};

struct extension_store;  // lib/core/extension_store.hpp
void retain(extension_store*) noexcept;
void release(extension_store*) noexcept;

/// Counts a reference to a store.
class store_ref {
  public:
    store_ref() noexcept = default;
    /// Takes one reference over.
    explicit store_ref(extension_store* s) noexcept : store_(s) {}
    store_ref(const store_ref& other) noexcept : store_(other.store_) {
        if (store_) retain(store_);
    }
    store_ref(store_ref&& other) noexcept : store_(std::exchange(other.store_, nullptr)) {}
    store_ref& operator=(store_ref other) noexcept {
        std::swap(store_, other.store_);
        return *this;
    }
    ~store_ref() {
        if (store_) release(store_);
    }
    [[nodiscard]] extension_store* get() const noexcept { return store_; }
    /// The reference is the caller's now.
    void detach() noexcept { store_ = nullptr; }
    /// As a word (see below).
    [[nodiscard]] std::uintptr_t word() const noexcept {
        return reinterpret_cast<std::uintptr_t>(store_);
    }
    friend bool operator==(const store_ref&, const store_ref&) noexcept = default;

  private:
    extension_store* store_ = nullptr;
};

// What an `extensions` holds is one word: nothing, a store, or (in the low two bits) a promise of
// one that costs no allocation: a fork that has no entry yet, a tick source, a link to the
// connection it came in on. The first insert keeps the promise. Whoever holds the word holds one
// reference to what it points to.
using extension_word = std::atomic<std::uintptr_t>;

void release_word(std::uintptr_t word) noexcept;
std::uintptr_t word_of(const tick_source&) noexcept;
tick_source ticks_of(std::uintptr_t word) noexcept;
std::uintptr_t fork_word(extension_word&);
store_ref link_word(extension_word&);

enum class link_side : unsigned char { ingress, egress };
store_ref linked(std::uintptr_t word, link_side) noexcept;
void set_linked(extension_word&, link_side, store_ref);

const extension_entry* find(std::uintptr_t word, const extension_type&) noexcept;
/// Of this store and its parents, else over the ingress link, else over the egress link.
const extension_entry* find_anywhere(std::uintptr_t word, const extension_type&) noexcept;
/// All of one type, newest first.
void collect(std::uintptr_t word, const extension_type&, entry_list&);
struct leveled_entry {
    const extension_entry* entry;
    std::size_t level;
};
/// All, oldest first; returns what keeps them alive.
store_ref collect(std::uintptr_t word, std::vector<leveled_entry>&);
std::size_t own_size(std::uintptr_t word) noexcept;

/// Room for an entry whose value is not made yet. When
/// making it throws, the room is simply not used.
struct reserved_entry {
    extension_store* store;
    extension_entry* entry;
    void* value;
};
reserved_entry reserve(extension_word&, const extension_type&, std::source_location);
reserved_entry reserve(extension_store&, const extension_type&, std::source_location);
void publish(const reserved_entry&) noexcept;
/// Publishes unless the store has an entry of that
/// type, which then wins: the new value is destroyed.
const extension_entry* publish_only(const reserved_entry&) noexcept;

// For connection_scope: a store of its own with copies in one fixed order, or null.
store_ref copy_scoped(std::uintptr_t word, std::size_t& hash);
bool equal_scoped(std::uintptr_t, std::uintptr_t);
void apply_scoped(std::uintptr_t facts, extension_word& to);

}  // namespace weft::detail
