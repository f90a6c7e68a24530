// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/layer.hpp>
#include <weft/core/matcher.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace weft {

/// Sends the requests that match to another service; all others go on.
///
///     auto app = hijack(http::path_is("/health"), health) >> http::timeout(5s) >> router;
///     auto tls_or_not = hijack(net::peer_is_loopback(), plain) >> secured;
///
/// Belongs outside of whatever the other service should be spared: limits, authentication. `match`
/// is any callable `bool(const Req&)`, a matcher (core/matcher.hpp) or a lambda; the other service
/// answers with the inner one's type. No coroutine.
template <class Match, class Service>
class hijack : public pipeable {
  public:
    hijack(Match match, Service service) : match_(std::move(match)), service_(std::move(service)) {}

    template <class Req, class Next>
        requires matcher<Match, Req>
    auto serve(Req request, const Next& next) const {
        require_service<Service, Req>();
        static_assert(std::same_as<response_of<Service, Req>, response_of<Next, Req>>,
                      "weft: hijack: the other service answers with another type than the inner");
        if (match_(std::as_const(request))) return weft::serve(service_, std::move(request));
        return next(std::move(request));
    }

  private:
    [[no_unique_address]] Match match_;
    [[no_unique_address]] Service service_;
};

}  // namespace weft
