// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>

#include <cstddef>
#include <functional>

namespace weft {

// From a request only what is connection-scoped becomes part of the connection that it opens, and
// of the pool's key: "only to this address", a TLS setting, a client certificate. A retry policy
// does not. A type says so next to its definition; it needs ==, std::hash and a copy constructor:
//
//     struct only_to { std::string address; bool operator==(const only_to&) const = default; };
//     template <> struct std::hash<only_to> { ... };
//     template <> inline constexpr bool weft::connection_scoped<only_to> = true;
//
// The variable template is declared in <weft/core/detail/extension_store.hpp>.

/// The connection-scoped part of a request's extensions: the newest of each such type, copied. Two
/// requests may share a connection when their scopes are equal.
///
///     pool_key key{authority, connection_scoped_of(req.extensions())};    // comparable, hashable
///     if (auto* idle = pool.find(key)) ...
///     key.scope.apply(new_connection.extensions());    // what it was opened with
///
/// Immutable; a copy shares the content. Empty, it is null and costs nothing. Safe to use from
/// several threads.
class connection_scope {
  public:
    connection_scope() noexcept = default;

    [[nodiscard]] bool empty() const noexcept { return !facts_; }
    /// How many types.
    [[nodiscard]] std::size_t size() const noexcept { return facts_.size(); }
    /// Computed once. Two equal scopes have the same, in whatever order the facts were inserted.
    [[nodiscard]] std::size_t hash() const noexcept { return hash_; }
    template <class T>
    [[nodiscard]] const T* get() const noexcept {
        return facts_.get<T>();
    }

    /// Inserts a copy of each fact, with the location that first inserted it.
    void apply(const extensions& connection) const {
        detail::apply_scoped(facts_.store_.word(), connection.word_);
    }

    /// Equal in types and in values.
    friend bool operator==(const connection_scope& a, const connection_scope& b) {
        return a.equals(b);
    }

  private:
    friend connection_scope connection_scoped_of(const extensions&);
    explicit connection_scope(const extensions& request)
        : facts_(detail::copy_scoped(request.word_.load(std::memory_order_acquire), hash_)) {}

    [[nodiscard]] bool equals(const connection_scope& other) const {
        return hash_ == other.hash_ &&
               detail::equal_scoped(facts_.store_.word(), other.facts_.store_.word());
    }

    std::size_t hash_ = 0;  // before facts_, which sets it
    extensions_link facts_;
};

/// What `request` holds, itself and through its parents, of connection-scoped types. When there is
/// nothing, which is the rule, it allocates nothing.
inline connection_scope connection_scoped_of(const extensions& request) {
    return connection_scope(request);
}

}  // namespace weft

template <>
struct std::hash<weft::connection_scope> {
    std::size_t operator()(const weft::connection_scope& s) const noexcept { return s.hash(); }
};
