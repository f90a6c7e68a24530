// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/type_name.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace weft {

/// A **service** takes a request by value and gives back an awaitable response. It is a type with a
/// const member `serve`, or anything callable in the same way:
///
///     struct shout {
///         awaitable<std::string> serve(std::string text) const { co_return text + "!"; }
///     };
///     auto whisper = [](std::string text) -> awaitable<std::string> { co_return text + "."; };
///     std::string loud = co_await weft::serve(shout{}, std::string("hello"));
///
/// - `serve` is const and re-entrant: many coroutines call one service at once.
/// - The service outlives the awaitables it handed out. Whoever stores a coroutine lambda keeps it
///   alive for the call.
/// - A reference parameter is refused: the coroutine would read the caller's request after it is
///   gone (docs/hazards.md). Requests are cheap to move.
/// - Calling a service starts nothing observable; awaiting does.
///
/// `Res` may be void: `service<io::stream>` -> void is what an acceptor runs.

namespace detail {

enum class service_fit : unsigned char {
    fits,
    not_callable,
    mutable_serve,
    by_reference,
    no_awaitable
};

template <class S, class Req>
concept has_serve = requires(const S& s, Req&& r) { s.serve(std::forward<Req>(r)); };
template <class S, class Req>
concept has_call = requires(const S& s, Req&& r) { s(std::forward<Req>(r)); };
template <class S, class Req>
concept has_mutable_form = requires(S& s, Req&& r) { s.serve(std::forward<Req>(r)); } ||
                           requires(S& s, Req&& r) { s(std::forward<Req>(r)); };

template <class F>
struct first_parameter {};
template <class R, class C, class A>
struct first_parameter<R (C::*)(A)> : std::type_identity<A> {};
template <class R, class C, class A>
struct first_parameter<R (C::*)(A) const> : std::type_identity<A> {};
template <class R, class C, class A>
struct first_parameter<R (C::*)(A) noexcept> : std::type_identity<A> {};
template <class R, class C, class A>
struct first_parameter<R (C::*)(A) const noexcept> : std::type_identity<A> {};
template <class R, class A>
struct first_parameter<R (*)(A)> : std::type_identity<A> {};
template <class R, class A>
struct first_parameter<R (*)(A) noexcept> : std::type_identity<A> {};

/// Converts to a reference only: a by-value parameter of a move-only type cannot be made from it.
template <class Req>
struct only_a_reference {
    operator const Req&()
        const;  // NOLINT(google-explicit-constructor): it is a probe, never defined
};

template <class F>
inline constexpr bool reference_parameter = std::is_reference_v<typename first_parameter<F>::type>;

/// Whether the service takes its request by reference. Every form that can be named is looked at
/// exactly; of an overload set only a move-only request can be told.
template <class S, class Req>
consteval bool takes_reference() {
    if constexpr (std::is_pointer_v<S>) {
        if constexpr (requires { typename first_parameter<S>::type; })
            return reference_parameter<S>;
    } else if constexpr (requires { typename first_parameter<decltype(&S::serve)>::type; }) {
        return reference_parameter<decltype(&S::serve)>;
    } else if constexpr (requires {
                             typename first_parameter<decltype(&S::template serve<Req>)>::type;
                         }) {
        return reference_parameter<decltype(&S::template serve<Req>)>;
    } else if constexpr (!has_serve<S, Req>) {
        if constexpr (requires { typename first_parameter<decltype(&S::operator())>::type; }) {
            return reference_parameter<decltype(&S::operator())>;
        } else if constexpr (requires {
                                 typename first_parameter<
                                     decltype(&S::template operator()<Req>)>::type;
                             }) {
            return reference_parameter<decltype(&S::template operator()<Req>)>;
        } else if constexpr (!std::is_copy_constructible_v<Req>) {
            return has_call<S, only_a_reference<Req>>;
        }
    } else if constexpr (!std::is_copy_constructible_v<Req>) {
        return has_serve<S, only_a_reference<Req>>;
    }
    return false;
}

template <class S, class Req>
struct served {
    using type = void;
};
template <class S, class Req>
    requires has_serve<S, Req>
struct served<S, Req> {
    using type = decltype(std::declval<const S&>().serve(std::declval<Req>()));
};
template <class S, class Req>
    requires(!has_serve<S, Req> && has_call<S, Req>)
struct served<S, Req> {
    using type = decltype(std::declval<const S&>()(std::declval<Req>()));
};

template <class S, class Req>
consteval service_fit fit_of() {
    if constexpr (!has_serve<S, Req> && !has_call<S, Req>) {
        if constexpr (has_mutable_form<S, Req>)
            return takes_reference<S, Req>() ? service_fit::by_reference
                                             : service_fit::mutable_serve;
        else
            return takes_reference<S, Req>() ? service_fit::by_reference
                                             : service_fit::not_callable;
    } else if constexpr (takes_reference<S, Req>()) {
        return service_fit::by_reference;
    } else if constexpr (!is_awaitable<typename served<S, Req>::type>) {
        return service_fit::no_awaitable;
    } else {
        return service_fit::fits;
    }
}

template <class S, class Req>
consteval auto misfit_message() {
    fixed_text<type_name<S>().size() + type_name<Req>().size() +
               type_name<typename served<S, Req>::type>().size() + 200>
        text;
    text << "weft: `" << type_name<S>() << "` is no service for " << type_name<Req>() << ": ";
    switch (fit_of<S, Req>()) {
        case service_fit::fits:
            break;
        case service_fit::not_callable:
            text << "it has no `serve(" << type_name<Req>() << ") const`";
            break;
        case service_fit::mutable_serve:
            text << "serve must be const";
            break;
        case service_fit::by_reference:
            text
                << "it takes the request by reference, and must take it by value (docs/hazards.md)";
            break;
        case service_fit::no_awaitable:
            text << "serve returns `" << type_name<typename served<S, Req>::type>()
                 << "`, expected awaitable";
            break;
    }
    return text;
}

}  // namespace detail

/// Whether `S` serves `Req`.
template <class S, class Req>
concept service = detail::fit_of<std::remove_cvref_t<S>, Req>() == detail::service_fit::fits;

namespace detail {

// Clang prints the condition of a failed static_assert
// with its types: these names are made to be read there.
template <class S, class Req>
inline constexpr bool has_a_const_serve = fit_of<S, Req>() != service_fit::mutable_serve;
template <class S, class Req>
inline constexpr bool has_a_serve = fit_of<S, Req>() != service_fit::not_callable;
template <class S, class Req>
inline constexpr bool takes_its_request_by_value = fit_of<S, Req>() != service_fit::by_reference;
template <class S, class Req, class Returned>
inline constexpr bool serve_returns_an_awaitable = fit_of<S, Req>() != service_fit::no_awaitable;

}  // namespace detail

/// Stops the build with one line that says why `S` is no service for `Req`.
template <class S, class Req>
consteval void require_service() {
    using plain = std::remove_cvref_t<S>;
#ifdef WEFT_COMPUTED_ASSERTS
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wc++26-extensions"
    static_assert(service<plain, Req>, detail::misfit_message<plain, Req>());
#pragma GCC diagnostic pop
#else
    using returned = typename detail::served<plain, Req>::type;
    static_assert(
        detail::has_a_serve<plain, Req>,
        "weft: the first type is no service for the second: it has no `serve(Req) const`");
    static_assert(detail::has_a_const_serve<plain, Req>,
                  "weft: the first type is no service for the second: serve must be const");
    static_assert(detail::takes_its_request_by_value<plain, Req>,
                  "weft: the first type is no service for the second: it takes the request by "
                  "reference, and must take it by value (docs/hazards.md)");
    static_assert(detail::serve_returns_an_awaitable<plain, Req, returned>,
                  "weft: the first type is no service for the second: serve returns the third, "
                  "expected awaitable");
#endif
}

/// What `S` answers to `Req`: the T of its `awaitable<T>`.
template <class S, class Req>
using response_of = awaitable_value_t<typename detail::served<std::remove_cvref_t<S>, Req>::type>;

/// Calls a service, whichever of the two forms it has. `s` outlives the awaitable.
template <class S, class Req>
auto serve(const S& s, Req request) {
    require_service<S, Req>();
    if constexpr (service<S, Req>) {
        if constexpr (detail::has_serve<S, Req>)
            return s.serve(std::move(request));
        else
            return s(std::move(request));
    }
}

}  // namespace weft
