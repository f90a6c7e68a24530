// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/service.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace weft {

/// A **layer** wraps a service in a coroutine. It derives from `pipeable` and composes with `>>`,
/// outermost first, in the order in which the request travels:
///
///     struct twice : pipeable {
///         template <class Next>
///         awaitable<std::string> serve(std::string text, const Next& next) const {
///             co_return co_await next(text) + co_await next(text);
///         }
///     };
///     auto app = twice{} >> echo;
///
/// `next(req)` calls what the layer wraps; Req and Res may differ from the inner's. A layer that
/// only edits the request is no coroutine: it returns `next(std::move(req))` and costs a move. Like
/// a service it is const and re-entrant.
///
/// The left operand of `>>` is a layer. A right operand that derives from `pipeable` is a layer,
/// and gives a chain; anything else is the service: a bare lambda is always a service,
/// `layer_fn(lambda)` a layer.
struct pipeable {};

template <class L>
concept layer_type = std::derived_from<std::remove_cvref_t<L>, pipeable>;

/// What a layer is handed as `next`: the wrapped service, under both spellings.
template <class S>
class next_service {
  public:
    explicit next_service(S inner) : inner_(std::move(inner)) {}

    template <class Req>
    auto operator()(Req request) const {
        return weft::serve(inner_, std::move(request));
    }
    template <class Req>
    auto serve(Req request) const {
        return weft::serve(inner_, std::move(request));
    }
    [[nodiscard]] const S& inner() const noexcept { return inner_; }

  private:
    [[no_unique_address]] S inner_;
};

/// A service wrapped in a layer: the one composed type, itself a service.
template <class L, class S>
class layered {
  public:
    layered(L layer, S inner) : layer_(std::move(layer)), next_(std::move(inner)) {}

    // A reference to the member goes in, never a temporary: a coroutine keeps it.
    template <class Req>
        requires requires(const L& l, Req r, const next_service<S>& n) { l.serve(std::move(r), n); }
    auto serve(Req request) const {
        return layer_.serve(std::move(request), next_);
    }

    [[nodiscard]] const L& layer() const noexcept { return layer_; }
    [[nodiscard]] const S& inner() const noexcept { return next_.inner(); }

  private:
    [[no_unique_address]] L layer_;
    next_service<S> next_;
};

/// Layers that have not met their service yet.
template <class Outer, class Inner>
struct layer_chain : pipeable {
    layer_chain(Outer o, Inner i) : outer(std::move(o)), inner(std::move(i)) {}
    [[no_unique_address]] Outer outer;
    [[no_unique_address]] Inner inner;
};

namespace detail {

template <class L, class S>
auto wrap(L layer, S service) {
    return layered<L, S>(std::move(layer), std::move(service));
}
template <class Outer, class Inner, class S>
auto wrap(layer_chain<Outer, Inner> chain, S service) {
    return wrap(std::move(chain.outer), wrap(std::move(chain.inner), std::move(service)));
}

}  // namespace detail

/// Composes. Found through `pipeable` from any namespace.
template <layer_type L, class R>
auto operator>>(L&& left, R&& right) {
    using plain_left = std::remove_cvref_t<L>;
    using plain_right = std::decay_t<R>;
    if constexpr (layer_type<R>)
        return layer_chain<plain_left, plain_right>(std::forward<L>(left), std::forward<R>(right));
    else
        return detail::wrap<>(plain_left(std::forward<L>(left)),
                              plain_right(std::forward<R>(right)));
}

/// A layer from a callable `awaitable<Res>(Req, const auto& next)`:
///
///     auto app = layer_fn([](int n, const auto& next) { return next(n + 1); }) >> service;
template <class F>
class layer_fn : public pipeable {
  public:
    explicit layer_fn(F f) : f_(std::move(f)) {}

    template <class Req, class Next>
        requires std::invocable<const F&, Req, const Next&>
    auto serve(Req request, const Next& next) const {
        return f_(std::move(request), next);
    }

  private:
    [[no_unique_address]] F f_;
};

/// A layer that is there or not, decided when the stack is built: one `if` per request, and no
/// second type of stack.
///
///     auto app = optional_layer(config.limited, http::timeout(5s)) >> router;
template <layer_type L>
class optional_layer : public pipeable {
  public:
    optional_layer(bool enabled, L layer) : layer_(std::move(layer)), enabled_(enabled) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const {
        if (enabled_) return layer_.serve(std::move(request), next);
        return next(std::move(request));
    }

  private:
    [[no_unique_address]] L layer_;
    bool enabled_;
};

}  // namespace weft
