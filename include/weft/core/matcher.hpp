// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/extensions.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

/// A **matcher** answers yes or no to a request that it only looks at. Matchers combine with `&&`,
/// `||` and `!`, and choose what a `hijack`, a limit or code of yours does:
///
///     auto old = http::path_under("/v1") && !has_extension<user>();
///     auto app = hijack(old, go_away) >> router;
///     if (old(req)) ...
///
/// One is anything that derives from `matcher_base` and has `bool operator()(const Req&) const`; a
/// lambda becomes one by `match(lambda)`, or beside another matcher. What is on the right of `&&`
/// and `||` is asked only when it counts. A matcher is const and called by many at once; it neither
/// awaits nor keeps the request.
struct matcher_base {};

/// Whether `M` answers to `Req`.
template <class M, class Req>
concept matcher = requires(const std::remove_cvref_t<M>& m, const Req& request) {
    { m(request) } -> std::convertible_to<bool>;
};

template <class M>
concept matcher_type = std::derived_from<std::remove_cvref_t<M>, matcher_base>;

/// A matcher from a callable `bool(const Req&)`.
///
///     auto large = match([](const http::request& r) { return r.body().size() > 1024u; });
template <class F>
class match : public matcher_base {
  public:
    explicit match(F f) : f_(std::move(f)) {}
    template <class Req>
        requires std::predicate<const F&, const Req&>
    bool operator()(const Req& request) const {
        return std::invoke(f_, request);
    }

  private:
    [[no_unique_address]] F f_;
};

/// Matches every request: the last of a list.
struct match_any : matcher_base {
    template <class Req>
    bool operator()(const Req&) const noexcept {
        return true;
    }
};

template <class A, class B>
struct match_both : matcher_base {
    match_both(A one, B other) : a(std::move(one)), b(std::move(other)) {}
    template <class Req>
        requires(matcher<A, Req> && matcher<B, Req>)
    bool operator()(const Req& request) const {
        return static_cast<bool>(a(request)) && static_cast<bool>(b(request));
    }
    [[no_unique_address]] A a;
    [[no_unique_address]] B b;
};
template <class A, class B>
struct match_either : matcher_base {
    match_either(A one, B other) : a(std::move(one)), b(std::move(other)) {}
    template <class Req>
        requires(matcher<A, Req> && matcher<B, Req>)
    bool operator()(const Req& request) const {
        return static_cast<bool>(a(request)) || static_cast<bool>(b(request));
    }
    [[no_unique_address]] A a;
    [[no_unique_address]] B b;
};
template <class A>
struct match_not : matcher_base {
    explicit match_not(A one) : a(std::move(one)) {}
    template <class Req>
        requires matcher<A, Req>
    bool operator()(const Req& request) const {
        return !static_cast<bool>(a(request));
    }
    [[no_unique_address]] A a;
};

// Found through `matcher_base` from any namespace.
template <class A, class B>
    requires(matcher_type<A> || matcher_type<B>)
auto operator&&(A&& a, B&& b) {
    return match_both<std::decay_t<A>, std::decay_t<B>>(std::forward<A>(a), std::forward<B>(b));
}
template <class A, class B>
    requires(matcher_type<A> || matcher_type<B>)
auto operator||(A&& a, B&& b) {
    return match_either<std::decay_t<A>, std::decay_t<B>>(std::forward<A>(a), std::forward<B>(b));
}
template <matcher_type A>
auto operator!(A&& a) {
    return match_not<std::decay_t<A>>(std::forward<A>(a));
}

namespace detail {

template <class Test, class T>
bool passes(const Test& test, const T& value) {
    if constexpr (std::predicate<const Test&, const T&>)
        return std::invoke(test, value);
    else
        return value == test;
}

/// A fact of the connection that a message came in on; of a connection itself, its own.
template <class T, class Req, class Test>
bool connection_passes(const Req& request, const Test& test) {
    const extensions* ext = extensions_of(request);
    if (!ext) return false;
    if (const extensions_link connection = ext->ingress()) {
        const T* found = connection.template get<T>();
        return found && test(*found);
    }
    const T* found = ext->template get<T>();
    return found && test(*found);
}

template <class T>
struct match_extension : matcher_base {
    template <class Req>
    bool operator()(const Req& request) const noexcept {
        const extensions* ext = extensions_of(request);
        return ext && ext->template get<T>();
    }
};
template <class T, class Test>
struct match_extension_value : matcher_base {
    explicit match_extension_value(Test t) : test(std::move(t)) {}
    template <class Req>
    bool operator()(const Req& request) const {
        const extensions* ext = extensions_of(request);
        const T* found = ext ? ext->template get<T>() : nullptr;
        return found && passes(test, *found);
    }
    [[no_unique_address]] Test test;
};
template <class T>
struct match_connection : matcher_base {
    template <class Req>
    bool operator()(const Req& request) const noexcept {
        return connection_passes<T>(request, [](const T&) { return true; });
    }
};
template <class T, class Test>
struct match_connection_value : matcher_base {
    explicit match_connection_value(Test t) : test(std::move(t)) {}
    template <class Req>
    bool operator()(const Req& request) const {
        return connection_passes<T>(request,
                                    [this](const T& value) { return passes(test, value); });
    }
    [[no_unique_address]] Test test;
};

}  // namespace detail

/// The request's extensions (and what they are forked from) hold a T.
template <class T>
auto has_extension() {
    return detail::match_extension<T>{};
}

/// The newest T of the request's extensions equals `test`, or passes it, if that is a predicate.
/// Without a T it does not match.
///
///     auto ann = extension_is<user>([](const user& u) { return u.name == "ann"; });
template <class T, class Test>
auto extension_is(Test test) {
    return detail::match_extension_value<T, Test>(std::move(test));
}

/// The connection that the request came in on has the fact T; for a request that is a connection
/// (io::stream), its own. weft/net/matcher.hpp has the ones for addresses.
template <class T>
auto connection_has() {
    return detail::match_connection<T>{};
}

/// The connection's newest T equals `test`, or passes it.
///
///     auto local = connection_is<net::peer_endpoint>(
///         [](const net::peer_endpoint& p) { return p.value.address().is_loopback(); });
template <class T, class Test>
auto connection_is(Test test) {
    return detail::match_connection_value<T, Test>(std::move(test));
}

}  // namespace weft
