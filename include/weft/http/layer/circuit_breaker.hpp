// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/layer/refuse.hpp>
#include <weft/http/layer/server_errors.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/circuit_breaker.hpp>

#include <utility>

namespace weft::http {

/// weft::circuit_breaker that counts 5xx (http::server_errors) and answers 503 Service Unavailable
/// with Retry-After, instead of throwing, while it is open.
///
///     auto gateway = http::circuit_breaker({.open_for = 5s}) >> http::timeout(2s) >> client;
///
/// Belongs at a gateway, around one upstream. In a client, where the caller should see a failure,
/// use weft::circuit_breaker(options, http::server_errors{}).
class circuit_breaker : public weft::circuit_breaker<server_errors> {
  public:
    explicit circuit_breaker(circuit_breaker_options options = {},
                             std::source_location where = std::source_location::current())
        : weft::circuit_breaker<server_errors>(std::move(options), {}, where) {}

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const auto executor = co_await boost::asio::this_coro::executor;
        weft::detail::circuit::passage passage(*circuit_, context_info::of(executor).clock());
        if (!passage)
            co_return refuse(circuit_->refusal(passage, where_), status::service_unavailable);
        co_return co_await judged<response>(passage, std::move(r), next);
    }
};

}  // namespace weft::http
