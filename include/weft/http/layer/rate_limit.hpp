// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/layer/refuse.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/rate_limit.hpp>

#include <utility>

namespace weft::http {

/// weft::rate_limit for a server's edge: what comes too often is answered 429 Too Many Requests
/// with Retry-After (RFC 6585 4) instead of thrown.
///
///     auto fair = http::rate_limit({.limit = 10, .per = 1s, .burst = 50}, net::by_peer_address());
///     auto app = fair >> router;
///
/// Belongs inside of logging and outside of everything that costs. Behind a proxy all clients have
/// the proxy's address: take the key from what the proxy vouches for.
template <class Key = weft::detail::no_key>
class rate_limit : public weft::rate_limit<Key> {
  public:
    using weft::rate_limit<Key>::rate_limit;

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const auto executor = co_await boost::asio::this_coro::executor;
        context_info& info = context_info::of(executor);
        const std::int64_t now = weft::detail::bucket_time(info.clock().now());
        if (weft::detail::token_bucket* bucket = this->bucket_of(r, now, info)) {
            const auto taken = this->state_->take(*bucket, now);
            if (!taken.granted)
                co_return refuse(this->state_->refusal(taken, this->where_),
                                 status::too_many_requests);
            if (taken.wait > 0)
                co_await this->state_->wait(*bucket, taken, &r.extensions(), this->where_);
        }
        co_return co_await next(std::move(r));
    }
};

rate_limit(rate_limit_options) -> rate_limit<>;
template <class Key>
rate_limit(rate_limit_options, Key) -> rate_limit<Key>;

}  // namespace weft::http
