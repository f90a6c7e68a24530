// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/layer/refuse.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/concurrency_limit.hpp>

#include <utility>

namespace weft::http {

/// weft::concurrency_limit for a server's edge: what may not pass is answered 503 Service
/// Unavailable instead of thrown.
///
///     auto app = http::concurrency_limit({.max = 200, .max_waiting = 1000}) >> router;
///
/// Belongs inside of logging and of what must always be answered (a health check: hijack it), and
/// outside of what costs something. A request is inside until its response's head is made; the
/// body that follows is not.
class concurrency_limit : public weft::concurrency_limit {
  public:
    using weft::concurrency_limit::concurrency_limit;

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        weft::detail::gate::place place(state_->entrance(), state_->max_waiting());
        if (!place.inside()) {
            auto refused = co_await state_->admit(place, &r.extensions(), where_);
            if (refused) co_return refuse(*refused, status::service_unavailable);
        }
        co_return co_await next(std::move(r));
    }
};

}  // namespace weft::http
