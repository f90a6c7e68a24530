// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/layer.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

/// Makes the request that the inner service gets: edited, or of another type.
///
///     auto app = map_request([](http::request r) {
///                    r.headers().erase("X-Internal");
///                    return r;
///                }) >> router;
///
/// Belongs wherever the edit is needed: right around what needs it. `f(Req)` gives the request, or
/// an awaitable of it; what it throws is the call's failure. A plain function costs no coroutine.
/// Called by many at once: const, and thread-safe where cores share the layer.
template <class F>
class map_request : public pipeable {
  public:
    explicit map_request(F f) : f_(std::move(f)) {}

    template <class Req, class Next>
        requires std::invocable<const F&, Req>
    auto serve(Req request, const Next& next) const {
        if constexpr (is_awaitable<std::invoke_result_t<const F&, Req>>) {
            require_service<F, Req>();  // a coroutine takes the request by value
            return after(std::invoke(f_, std::move(request)), next);
        } else {
            return next(std::invoke(f_, std::move(request)));
        }
    }

  private:
    template <class Mapped, class Next>
    static auto after(awaitable<Mapped> mapping, const Next& next)
        -> awaitable<response_of<Next, Mapped>> {
        Mapped request = co_await std::move(mapping);
        co_return co_await next(std::move(request));
    }

    [[no_unique_address]] F f_;
};

}  // namespace weft
