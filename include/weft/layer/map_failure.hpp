// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/outcome.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <utility>

namespace weft {

/// Makes the failure that the caller sees, out of whatever the call threw (failure::from): adds
/// context, or speaks in the words of the layer above.
///
///     auto prices = map_failure([](failure f) {
///                       return failure(failure_kind::unavailable, "no prices").because(f);
///                   }) >> client;
///
/// Belongs at the border of a part of the program, inside of retry and breaker only if these should
/// judge by the new failure. Responses pass by, and so does a cancellation, untouched. Called by
/// many at once. Costs one coroutine.
template <class F>
    requires std::is_invocable_r_v<failure, const F&, failure>
class map_failure : public pipeable {
  public:
    explicit map_failure(F f) : f_(std::move(f)) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        std::exception_ptr thrown;
        try {
            co_return co_await next(std::move(request));
        } catch (...) {
            thrown = std::current_exception();
        }
        if (detail::is_cancellation(thrown)) std::rethrow_exception(thrown);
        throw failure(std::invoke(f_, failure::from(thrown)));
    }

  private:
    [[no_unique_address]] F f_;
};

}  // namespace weft
