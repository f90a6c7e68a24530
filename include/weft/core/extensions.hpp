// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/core/detail/extension_store.hpp>
#include <weft/core/secret.hpp>
#include <weft/core/tick_source.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

class extensions;
class extensions_link;
template <class Req, class Res>
class any_service;

/// Types that may not be inserted, because they hold a store themselves and would keep it alive for
/// ever: what is inserted could hold what it is inserted into. Found by itself: a type with a
/// member `extensions`, object or function, and a smart pointer, optional or vector of a refused
/// type. A message or stream that is built otherwise says so itself, next to its definition:
///
///     template <> inline constexpr bool weft::never_an_extension<my::message> = true;
template <class T>
inline constexpr bool never_an_extension = false;
template <>
inline constexpr bool never_an_extension<extensions> = true;
template <>
inline constexpr bool never_an_extension<extensions_link> = true;
template <class Req, class Res>
inline constexpr bool never_an_extension<any_service<Req, Res>> = true;

namespace detail {

template <class T>
inline constexpr bool is_extensions = std::is_same_v<std::remove_cvref_t<T>, extensions> ||
                                      std::is_same_v<std::remove_cvref_t<T>, extensions_link>;
template <class T>
concept has_extensions = requires(const T& v) {
    requires is_extensions<decltype(v.extensions())>;
} || requires(const T& v) { requires is_extensions<decltype(v.extensions)>; };

template <class T>
struct refused_extension : std::bool_constant<never_an_extension<T> || has_extensions<T>> {};
template <class T, class D>
struct refused_extension<std::unique_ptr<T, D>> : refused_extension<std::remove_cv_t<T>> {};
template <class T>
struct refused_extension<std::shared_ptr<T>> : refused_extension<std::remove_cv_t<T>> {};
template <class T>
struct refused_extension<std::optional<T>> : refused_extension<T> {};
template <class T, class A>
struct refused_extension<std::vector<T, A>> : refused_extension<T> {};

template <class T>
constexpr bool is_extension_type() {
    if constexpr (!std::is_object_v<T> || std::is_array_v<T> ||
                  !std::is_same_v<T, std::remove_cv_t<T>>)
        return false;
    else if constexpr (refused_extension<T>::value)
        return false;  // perhaps incomplete here: ask nothing more
    else
        return std::is_nothrow_destructible_v<T>;
}

}  // namespace detail

/// Whether `insert` takes a T: a plain object type that is not refused above.
template <class T>
inline constexpr bool may_be_extension = detail::is_extension_type<T>();

/// The values of one type, newest first, as `all<T>()` found them: later inserts do not appear in
/// it. It refers to the values and owns none: use it while the store lives.
template <class T>
class extension_range {
  public:
    class iterator {
      public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::forward_iterator_tag;
        using pointer = const T*;
        using reference = const T&;

        iterator() noexcept = default;
        explicit iterator(const detail::extension_entry* const* at) noexcept : at_(at) {}
        const T& operator*() const noexcept { return *detail::entry_value<T>(*at_); }
        const T* operator->() const noexcept { return detail::entry_value<T>(*at_); }
        iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        friend bool operator==(const iterator&, const iterator&) noexcept = default;

      private:
        const detail::extension_entry* const* at_ = nullptr;
    };

    explicit extension_range(detail::entry_list entries) noexcept : entries_(std::move(entries)) {}

    [[nodiscard]] iterator begin() const noexcept { return iterator(entries_.data()); }
    [[nodiscard]] iterator end() const noexcept {
        return iterator(entries_.data() + entries_.size());
    }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] bool empty() const noexcept { return entries_.size() == 0; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept {
        return *detail::entry_value<T>(entries_.data()[i]);
    }

  private:
    detail::entry_list entries_;
};

/// One line of a history: what was inserted, where, and when.
class history_entry {
  public:
    /// The type's name, as the compiler writes it.
    [[nodiscard]] std::string_view type() const noexcept { return entry_.entry->type->name; }
    /// The line that inserted it.
    [[nodiscard]] std::source_location where() const noexcept { return entry_.entry->where; }
    /// Larger is later, over a store and everything forked from the same root. There may be gaps.
    [[nodiscard]] std::uint64_t order() const noexcept { return entry_.entry->order; }
    /// The steady clock when it was inserted, some milliseconds
    /// late; nullopt when the store had no tick source.
    [[nodiscard]] std::optional<std::chrono::milliseconds> time() const noexcept {
        if (entry_.entry->time == detail::extension_entry::unknown_time) return std::nullopt;
        return std::chrono::milliseconds(entry_.entry->time);
    }
    /// How many forks above the store it was found in: 0 is the store itself.
    [[nodiscard]] std::size_t level() const noexcept { return entry_.level; }
    /// The value as text, when its type has an fmt::formatter
    /// (seen where it was inserted) and is no secret.
    [[nodiscard]] std::optional<std::string> text() const;
    /// The value, when it is a T.
    template <class T>
    [[nodiscard]] const T* as() const noexcept {
        return entry_.entry->type == &detail::extension_type_of<T>::value
                   ? detail::entry_value<T>(entry_.entry)
                   : nullptr;
    }

  private:
    friend class history;
    explicit history_entry(detail::leveled_entry e) noexcept : entry_(e) {}
    detail::leveled_entry entry_;
};

/// Everything that a store and its parents held when
/// it was asked, oldest first. Keeps the store alive.
///
///     fmt::print("{}", req.extensions().history());
///     // #0 +0ms net::peer_endpoint = 192.0.2.7:40112 at tcp.cpp:88
///     // #1 +4ms my::user at auth.cpp:31
///
/// The time is counted from the first entry that has one. Values are escaped as in a log line, so
/// an entry is one line.
class history {
  public:
    using const_iterator = std::vector<history_entry>::const_iterator;

    history() noexcept = default;
    [[nodiscard]] const_iterator begin() const noexcept { return entries_.begin(); }
    [[nodiscard]] const_iterator end() const noexcept { return entries_.end(); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] const history_entry& operator[](std::size_t i) const noexcept {
        return entries_[i];
    }
    /// One line an entry, each ended by a newline.
    [[nodiscard]] std::string to_string() const;

  private:
    friend class extensions;
    friend class extensions_link;
    explicit history(std::uintptr_t word);
    detail::store_ref store_;
    std::vector<history_entry> entries_;
};

/// Another store, held and read but not owned: `ext.ingress()` is the connection that a request
/// came in on. Null when there is none; a null link answers as an empty store.
///
///     if (auto* peer = req.extensions().ingress().get<net::peer_endpoint>()) ...
///
/// Copying counts a reference. It keeps the store alive, never the stream. Const use is safe from
/// several threads.
class extensions_link {
  public:
    extensions_link() noexcept = default;

    [[nodiscard]] explicit operator bool() const noexcept { return store_.get() != nullptr; }
    /// The same store.
    friend bool operator==(const extensions_link&, const extensions_link&) noexcept = default;

    // As in `extensions`.
    template <class T>
    [[nodiscard]] const T* get() const noexcept {
        return detail::entry_value<T>(
            detail::find(store_.word(), detail::extension_type_of<T>::value));
    }
    template <class T>
    [[nodiscard]] extension_range<T> all() const;
    [[nodiscard]] weft::history history() const { return weft::history(store_.word()); }
    [[nodiscard]] std::size_t size() const noexcept { return detail::own_size(store_.word()); }
    [[nodiscard]] extensions_link ingress() const noexcept;
    [[nodiscard]] extensions_link egress() const noexcept;
    /// A new store with the linked one as its parent; an empty one without parent when null.
    [[nodiscard]] extensions fork() const;

    /// The newest T, or `make()` inserted: one entry for all requests of a connection (a counter, a
    /// health record), no matter how many ask. When several threads ask first, one of theirs is
    /// kept. Must not be called on a null link.
    template <class T, class Make>
    const T& get_or_insert(Make&& make,
                           std::source_location where = std::source_location::current()) const;

  private:
    friend class extensions;
    friend class connection_scope;
    explicit extensions_link(detail::store_ref s) noexcept : store_(std::move(s)) {}
    detail::store_ref store_;
};

/// Typed facts that travel with a request, a response or a
/// connection; what no one could predict at compile time.
///
///     req.extensions().insert(user{"ann"});                   // whoever holds the request may
///     if (auto* u = req.extensions().get<user>()) greet(*u);  // the newest, or nullptr
///     auto attempt = req.extensions().fork();                 // sees all, adds only to itself
///     fmt::print("{}", attempt.history());                    // what, where, in which order
///
/// Append-only: an entry never moves, changes its type or goes away before the store does, so
/// references stay good. Values are const; what must change holds an atomic. Empty, it is a null
/// pointer and allocates nothing; the first insert makes one allocation with room for about four
/// small entries. A connection's store holds what is fixed for its life, or one entry with atomics:
/// what happens per request goes into the request's store.
///
/// Thread-safety: all const members may be called from several threads at once, `insert` too,
/// without a lock. Moving, assigning and destroying need exclusive access. Forks and links keep the
/// store alive after its owner.
class extensions {
  public:
    /// Empty.
    extensions() noexcept = default;
    /// Empty; entries will know their time.
    explicit extensions(const tick_source& ticks) noexcept : word_(detail::word_of(ticks)) {}

    extensions(extensions&& other) noexcept : word_(other.take()) {}
    extensions& operator=(extensions&& other) noexcept {
        if (this != &other) reset(other.take());
        return *this;
    }
    ~extensions() { reset(0); }

    /// Adds a value and returns it where it will stay. The strong guarantee: when T's move throws,
    /// nothing was added.
    template <class T>
    const T& insert(T value, std::source_location where = std::source_location::current()) const {
        return insert_with<T>([&]() -> T { return std::move(value); }, where);
    }

    /// Adds what `make()` returns, built in place: for
    /// types that cannot move, such as those with atomics.
    template <class T, class Make>
    const T& insert_with(Make&& make,
                         std::source_location where = std::source_location::current()) const {
        check<T>();
        auto room = detail::reserve(word_, detail::extension_type_of<T>::value, where);
        T* value = ::new (room.value) T(std::forward<Make>(make)());
        detail::publish(room);
        return *value;
    }

    /// Adds `T(arguments...)`, built in place. (Written out, because a default argument cannot
    /// follow a pack; for more than three arguments there is insert_with.)
    template <class T>
    const T& emplace(std::source_location where = std::source_location::current()) const {
        return insert_with<T>([]() -> T { return T(); }, where);
    }
    template <class T, class A>
    const T& emplace(A&& a, std::source_location where = std::source_location::current()) const {
        return insert_with<T>([&]() -> T { return T(std::forward<A>(a)); }, where);
    }
    template <class T, class A, class B>
    const T& emplace(A&& a, B&& b,
                     std::source_location where = std::source_location::current()) const {
        return insert_with<T>([&]() -> T { return T(std::forward<A>(a), std::forward<B>(b)); },
                              where);
    }
    template <class T, class A, class B, class C>
    const T& emplace(A&& a, B&& b, C&& c,
                     std::source_location where = std::source_location::current()) const {
        return insert_with<T>(
            [&]() -> T { return T(std::forward<A>(a), std::forward<B>(b), std::forward<C>(c)); },
            where);
    }

    /// The newest T that this store or a parent holds, or `make()` inserted here. When several
    /// threads ask first, one of theirs is kept and all get that one.
    template <class T, class Make>
    const T& get_or_insert(Make&& make,
                           std::source_location where = std::source_location::current()) const {
        check<T>();
        if (const T* found = get<T>()) return *found;
        auto room = detail::reserve(word_, detail::extension_type_of<T>::value, where);
        ::new (room.value) T(std::forward<Make>(make)());
        return *detail::entry_value<T>(detail::publish_only(room));
    }

    /// The newest T of this store and its parents together, or nullptr. Costs a few nanoseconds a
    /// parent, and does not depend on the number of entries.
    template <class T>
    [[nodiscard]] const T* get() const noexcept {
        const std::uintptr_t word = word_.load(std::memory_order_acquire);
        if (word == 0) return nullptr;
        return detail::entry_value<T>(detail::find(word, detail::extension_type_of<T>::value));
    }

    /// As `get`; when there is none, the newest over the ingress link, then over the egress link.
    /// For what may be set for one request or for a whole connection, such as an observer.
    template <class T>
    [[nodiscard]] const T* get_anywhere() const noexcept {
        const std::uintptr_t word = word_.load(std::memory_order_acquire);
        if (word == 0) return nullptr;
        return detail::entry_value<T>(
            detail::find_anywhere(word, detail::extension_type_of<T>::value));
    }

    /// All of type T in this store and its parents, newest first. Allocates for more than eight.
    template <class T>
    [[nodiscard]] extension_range<T> all() const {
        detail::entry_list found;
        detail::collect(word_.load(std::memory_order_acquire), detail::extension_type_of<T>::value,
                        found);
        return extension_range<T>(std::move(found));
    }

    /// Everything in this store and its parents, oldest first.
    [[nodiscard]] weft::history history() const {
        return weft::history(word_.load(std::memory_order_acquire));
    }

    /// How many entries the store itself holds, its parents' not counted. Walks them.
    [[nodiscard]] std::size_t size() const noexcept {
        return detail::own_size(word_.load(std::memory_order_acquire));
    }

    /// A new store that sees all of this one, now and later; this one
    /// sees nothing of the fork. Allocates nothing when this store has an
    /// entry (the fork does at its first insert), else 200 bytes once.
    [[nodiscard]] extensions fork() const { return extensions(detail::fork_word(word_)); }

    /// A link to this store, for what travels on the
    /// connection that it describes. As cheap as fork.
    [[nodiscard]] extensions_link link() const { return extensions_link(detail::link_word(word_)); }

    /// The connection that it came in on, and that it went out on; its own or else the nearest
    /// parent's. Null: none.
    [[nodiscard]] extensions_link ingress() const noexcept {
        return linked(detail::link_side::ingress);
    }
    [[nodiscard]] extensions_link egress() const noexcept {
        return linked(detail::link_side::egress);
    }
    /// Sets a link. A later one takes the place of an earlier one, which is kept alive as long as
    /// this store; a null one changes nothing. On an empty store set_ingress allocates nothing. A
    /// link that would close a circle of stores is refused: failure, kind invalid_input.
    void set_ingress(extensions_link connection) const {
        detail::set_linked(word_, detail::link_side::ingress, std::move(connection.store_));
    }
    void set_egress(extensions_link connection) const {
        detail::set_linked(word_, detail::link_side::egress, std::move(connection.store_));
    }

    /// Where its entries get their time: given at construction,
    /// or its parent's, or its ingress connection's.
    [[nodiscard]] tick_source ticks() const noexcept {
        return detail::ticks_of(word_.load(std::memory_order_acquire));
    }

    friend void swap(extensions& a, extensions& b) noexcept {
        extensions t(std::move(a));
        a = std::move(b);
        b = std::move(t);
    }

  private:
    friend class extensions_link;
    friend class connection_scope;
    explicit extensions(std::uintptr_t word) noexcept : word_(word) {}

    template <class T>
    static constexpr void check() {
        static_assert(!detail::refused_extension<T>::value,
                      "weft: a request, response, stream, service or extensions cannot be an "
                      "extension: it would keep "
                      "itself alive; insert the part that is needed");
        static_assert(may_be_extension<T>,
                      "weft: an extension is a plain value: no reference, const or array, and with "
                      "a destructor that does not throw");
    }
    [[nodiscard]] extensions_link linked(detail::link_side side) const noexcept {
        return extensions_link(detail::linked(word_.load(std::memory_order_acquire), side));
    }
    // Moving needs exclusive access anyway, so plain loads and stores do: an exchange would cost a
    // locked instruction.
    std::uintptr_t take() noexcept {
        const std::uintptr_t word = word_.load(std::memory_order_acquire);
        if (word != 0) word_.store(0, std::memory_order_relaxed);
        return word;
    }
    void reset(std::uintptr_t word) noexcept {
        const std::uintptr_t old = word_.load(std::memory_order_acquire);
        if (old != word) word_.store(word, std::memory_order_release);
        if (old != 0) detail::release_word(old);
    }

    mutable detail::extension_word word_{0};
};

template <class T>
extension_range<T> extensions_link::all() const {
    detail::entry_list found;
    detail::collect(store_.word(), detail::extension_type_of<T>::value, found);
    return extension_range<T>(std::move(found));
}
inline extensions_link extensions_link::ingress() const noexcept {
    return extensions_link(detail::linked(store_.word(), detail::link_side::ingress));
}
inline extensions_link extensions_link::egress() const noexcept {
    return extensions_link(detail::linked(store_.word(), detail::link_side::egress));
}
inline extensions extensions_link::fork() const {
    detail::extension_word word{store_.word()};
    return store_.get() ? extensions(detail::fork_word(word)) : extensions();
}
template <class T, class Make>
const T& extensions_link::get_or_insert(Make&& make, std::source_location where) const {
    extensions::check<T>();
    if (const T* found = get<T>()) return *found;
    auto room = detail::reserve(*store_.get(), detail::extension_type_of<T>::value, where);
    ::new (room.value) T(std::forward<Make>(make)());
    return *detail::entry_value<T>(detail::publish_only(room));
}

}  // namespace weft

template <>
struct fmt::formatter<weft::history> {
    constexpr auto parse(fmt::format_parse_context& ctx) { return ctx.begin(); }
    template <class Context>
    auto format(const weft::history& h, Context& ctx) const {
        auto out = ctx.out();
        for (char c : h.to_string()) *out++ = c;
        return out;
    }
};
