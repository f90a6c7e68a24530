// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/layer.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <source_location>
#include <utility>

namespace weft {

/// Gives each call so much time: then the call is cancelled, joined, and a failure of kind timeout
/// is thrown.
///
///     auto upstream = timeout(2s) >> connector;
///
/// Belongs around what may hang, inside of a retry. For a server's edge http::timeout answers 503
/// instead. Costs a child coroutine per call.
class timeout : public pipeable {
  public:
    explicit timeout(clock::duration limit,
                     std::source_location where = std::source_location::current())
        : limit_(limit), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const {
        return with_deadline(limit_, next(std::move(request)), where_);
    }

  private:
    clock::duration limit_;
    std::source_location where_;
};

}  // namespace weft
