// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/layer.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class F, class Res>
struct mapped_response {
    using type = std::invoke_result_t<const F&, Res>;
};
template <class F>
struct mapped_response<F, void> {
    using type = std::invoke_result_t<const F&>;
};
template <class R>
struct plain_response {
    using type = R;
};
template <is_awaitable R>
struct plain_response<R> {
    using type = awaitable_value_t<R>;
};

}  // namespace detail

/// Makes the response that the caller gets: edited, or of another type. Failures pass by.
///
///     auto app = map_response([](http::response r) {
///                    r.headers().set("Server", "shop");
///                    return r;
///                }) >> router;
///
/// Belongs outside of what makes the response, and outside of what may answer instead of it
/// (limits, hijack) if it is meant for those too. `f(Res)` gives the response, or an awaitable of
/// it; for a service without response, `f()` is called when it has ended. It takes what it needs
/// by value when it is a coroutine. Called by many at once. Costs one coroutine.
template <class F>
class map_response : public pipeable {
    template <class Res>
    using returned = typename detail::mapped_response<F, Res>::type;
    template <class Res>
    using mapped = typename detail::plain_response<returned<Res>>::type;

  public:
    explicit map_response(F f) : f_(std::move(f)) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<mapped<response_of<Next, Req>>> {
        using Res = response_of<Next, Req>;
        if constexpr (std::is_void_v<Res>) {
            co_await next(std::move(request));
            if constexpr (is_awaitable<returned<Res>>)
                co_return co_await std::invoke(f_);
            else
                co_return std::invoke(f_);
        } else {
            Res answer = co_await next(std::move(request));
            if constexpr (is_awaitable<returned<Res>>) {
                require_service<F, Res>();  // a coroutine takes the response by value
                co_return co_await std::invoke(f_, std::move(answer));
            } else {
                co_return std::invoke(f_, std::move(answer));
            }
        }
    }

  private:
    [[no_unique_address]] F f_;
};

}  // namespace weft
