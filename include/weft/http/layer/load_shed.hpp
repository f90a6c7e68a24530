// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/layer/refuse.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/load_shed.hpp>

#include <utility>

namespace weft::http {

/// weft::load_shed for a server's edge: what is above the limit that it found is answered 503
/// Service Unavailable instead of thrown.
///
///     auto app = http::load_shed({.target = 100ms}) >> router;
///
/// Belongs where weft::load_shed does. A response is timed until its head is made.
class load_shed : public weft::load_shed {
  public:
    using weft::load_shed::load_shed;

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const auto executor = co_await boost::asio::this_coro::executor;
        weft::detail::shed_state::place place(*state_, &r.extensions(),
                                              context_info::of(executor).clock());
        if (!place) co_return refuse(state_->refusal(place, where_), status::service_unavailable);
        co_return co_await watched<response>(place, std::move(r), next);
    }
};

}  // namespace weft::http
