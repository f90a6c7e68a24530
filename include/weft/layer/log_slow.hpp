// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/layer.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/core/observe.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <exception>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

/// Tells of each call that takes longer than a limit, when it ends: a record of severity warn with
/// the call's name, how long it took, and whether it failed.
///
///     auto app = log_slow(200ms) >> http::timeout(5s) >> router;
///     // level=warn msg="slow call" call="GET /report" took_ms=812 limit_ms=200
///
/// Belongs outermost, so that it sees what the client sees. The record goes to the observer of the
/// request's extensions or its connection's; when nobody listens there, to `fallback`: logfmt on
/// stderr unless said otherwise. The call is named by `call_name(request)`. Costs one coroutine and
/// two readings of the clock.
class log_slow : public pipeable {
  public:
    explicit log_slow(clock::duration limit, observer fallback = logfmt_observer(),
                      std::source_location where = std::source_location::current())
        : limit_(limit), fallback_(std::move(fallback)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();
        const auto start = time.now();
        const std::string name = call_name(request);
        extensions ext;
        if (const extensions* its = extensions_of(request)) ext = its->fork();
        std::exception_ptr thrown;
        try {
            if constexpr (std::is_void_v<response_of<Next, Req>>) {
                co_await next(std::move(request));
                tell(ext, name, time.now() - start, false);
                co_return;
            } else {
                auto answer = co_await next(std::move(request));
                tell(ext, name, time.now() - start, false);
                co_return std::move(answer);
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        tell(ext, name, time.now() - start, true);
        std::rethrow_exception(thrown);
    }

  private:
    void tell(const extensions& ext, std::string_view name, clock::duration took,
              bool failed) const {
        if (took <= limit_) return;
        if (!observer_of(ext)) ext.insert(fallback_);
        using std::chrono::milliseconds;
        log(ext, severity::warn, "slow call",
            {{"call", name},
             {"took_ms", std::chrono::duration_cast<milliseconds>(took).count()},
             {"limit_ms", std::chrono::duration_cast<milliseconds>(limit_).count()},
             {"failed", failed}},
            where_);
    }

    clock::duration limit_;
    observer fallback_;
    std::source_location where_;
};

}  // namespace weft
