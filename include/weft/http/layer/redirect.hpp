// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::http {

struct redirect_options {
    /// So many in a row, then the next one is a failure.
    unsigned max = 20;
    /// Follows from https to http, too.
    bool dangerously_allow_downgrade = false;
    /// Fields that are not for other servers, beside Authorization, Cookie and Proxy-Authorization.
    std::vector<std::string> secret_fields = {};
};

/// One redirect that was followed: in the extensions of the response that came in the end, and of
/// the requests behind it.
struct redirect_hop {
    http::status status;
    std::string from;  ///< URLs without user information and fragment
    std::string to;
    http::method method;  ///< of the request that followed
};

namespace detail {

/// What is needed of a request to send it on, once it is gone.
struct sent_request {
    explicit sent_request(const request& r);
    request_head head;
    std::optional<body> content;  ///< nothing when it cannot be had twice
    weft::extensions ext;
};

class redirect_trail {
  public:
    redirect_trail(const redirect_options& options, const request& first);
    /// The request that follows this response, if it is a redirect. Throws what the layer says.
    std::optional<request> follow(const response& r, sent_request& sent);
    void leave_in(const response& r) const;

  private:
    const redirect_options& options_;
    std::string url_;
    std::vector<redirect_hop> hops_;
};

}  // namespace detail

/// A client's layer that follows redirects (RFC 9110 15.4).
///
///     auto api = http::follow_redirects() >> http::decompress() >> http::client();
///     http::response r = co_await api.serve(http::request(http::method::get, url));
///     for (const http::redirect_hop& hop : r.extensions().all<http::redirect_hop>()) log(hop.to);
///
/// 307 and 308 repeat method and content; 301 and 302 make a GET of a POST and keep everything else;
/// 303 makes a GET of all but HEAD. A request that loses its content loses the fields about it. A
/// response of another status, one without Location, and the answer to a CONNECT are given back as
/// they are.
///
/// **Secrets.** Another origin (scheme, host, port) gets no Authorization, Cookie or
/// Proxy-Authorization and none of `secret_fields`, nor does any hop behind it. A user name in a
/// Location is dropped. An https URL is never left for http.
///
/// Failures, delivery processed, with `url` and `location` in the context: rejected for more than
/// `max` redirects, for http after https, for another scheme than these, and when a content has to be
/// sent again and cannot be had twice; protocol for a Location that is no URL. Each hop is a request
/// with a fork of the one before's extensions, so their deadline holds for all. Costs a copy of the
/// request's head.
class follow_redirects : public pipeable {
  public:
    explicit follow_redirects(redirect_options options = {})
        : options_(std::make_shared<const redirect_options>(std::move(options))) {}

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const auto options = options_;
        detail::redirect_trail trail(*options, r);
        for (;;) {
            detail::sent_request sent(r);
            response answer = co_await next(std::move(r));
            std::optional<request> again = trail.follow(answer, sent);
            if (!again) {
                trail.leave_in(answer);
                co_return answer;
            }
            r = std::move(*again);
        }
    }

  private:
    std::shared_ptr<const redirect_options> options_;
};

}  // namespace weft::http
