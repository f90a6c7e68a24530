// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <exception>
#include <source_location>
#include <utility>

namespace weft::http {

namespace detail {

/// What came of a call: a response, or a failure that has nothing to do with the limit.
struct call_outcome {
    response answer;
    std::exception_ptr failed;
};

awaitable<call_outcome> outcome_of(awaitable<response> call);
awaitable<response> answer_within(clock::duration limit, awaitable<response> call,
                                  std::source_location where);

}  // namespace detail

/// Gives each request so much time up to its response's head: then the handler is cancelled and the
/// client is answered 503 Service Unavailable.
///
///     auto app = http::timeout(5s) >> router;
///
/// Belongs at the edge of a server, inside of logging. A response, not a throw: it is what happens
/// under load. The body that the response is made with is not covered; a stuck one ends by the
/// server's write limit. Costs a child coroutine per request.
class timeout : public pipeable {
  public:
    explicit timeout(clock::duration limit,
                     std::source_location where = std::source_location::current())
        : limit_(limit), where_(where) {}

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        return detail::answer_within(limit_, next(std::move(r)), where_);
    }

  private:
    clock::duration limit_;
    std::source_location where_;
};

}  // namespace weft::http
