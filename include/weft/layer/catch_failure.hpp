// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/outcome.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// Answers in place of a failure.
///
///     auto app = catch_failure([](const failure& f) -> std::optional<http::response> {
///                    if (f.kind() != failure_kind::unavailable) return std::nullopt;
///                    return http::text("come back later\n", 503);
///                }) >> router;
///
/// Belongs outside of what throws, inside of what counts or logs if those should not see it. `f`
/// gets the failure (failure::from) and gives the response, an optional of it (nullopt: the
/// exception goes on as it was), or an awaitable of either. It takes the failure by value when it
/// is a coroutine. For a service without response it gives nothing, or a bool: whether the failure
/// is dealt with. A cancellation is no failure: it passes untouched, and so does whatever a call
/// throws because its caller was cancelled. Called by many at once. Costs one coroutine.
template <class F>
    requires std::invocable<const F&, failure>
class catch_failure : public pipeable {
    using returned = std::invoke_result_t<const F&, failure>;

  public:
    explicit catch_failure(F f) : f_(std::move(f)) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        using Res = response_of<Next, Req>;
        std::exception_ptr thrown;
        try {
            co_return co_await next(std::move(request));
        } catch (...) {
            thrown = std::current_exception();
        }
        const auto state = co_await boost::asio::this_coro::cancellation_state;
        if (state.cancelled() != boost::asio::cancellation_type::none ||
            detail::is_cancellation(thrown))
            std::rethrow_exception(thrown);
        failure why = failure::from(thrown);
        if constexpr (is_awaitable<returned>) {
            require_service<F, failure>();  // a coroutine takes the failure by value
            if constexpr (std::is_void_v<awaitable_value_t<returned>>) {
                co_await std::invoke(f_, std::move(why));
            } else {
                auto instead = co_await std::invoke(f_, std::move(why));
                co_return give<Res>(std::move(instead), thrown);
            }
        } else if constexpr (std::is_void_v<returned>) {
            std::invoke(f_, std::move(why));
        } else {
            co_return give<Res>(std::invoke(f_, std::move(why)), thrown);
        }
    }

  private:
    template <class Res, class T>
    static Res give(T&& instead, const std::exception_ptr& thrown) {
        if constexpr (std::is_void_v<Res>) {
            if (!instead) std::rethrow_exception(thrown);
        } else if constexpr (std::is_convertible_v<T, Res>) {
            return std::forward<T>(instead);
        } else {
            if (!instead) std::rethrow_exception(thrown);
            return *std::forward<T>(instead);
        }
    }

    [[no_unique_address]] F f_;
};

}  // namespace weft
