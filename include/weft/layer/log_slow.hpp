// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/layer.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/core/observe.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// What is told of a slow call.
struct slow_call {
    std::string_view name;
    clock::duration took;
    clock::duration limit;
    std::exception_ptr thrown;  ///< null: it ended well
};

/// `response` may be null. Its store may see more than the request's, or nothing of it.
void tell_slow_call(const extensions& request, const extensions* response, const slow_call& call,
                    const observer& fallback, std::source_location where) noexcept;

}  // namespace detail

/// Tells of each call that takes longer than a limit, when it ends: a record of severity warn with
/// the call's name, its peers, how long it took, the phases in which it waited, and how it failed.
///
///     auto app = log_slow(200ms) >> http::timeout(5s) >> router;
///     // level=warn msg="slow call" call="GET /report" took_ms=812 limit_ms=200 failed=false
///     //   from=192.0.2.7:40112 to=10.0.0.3:5432 phases="queue=90ms connect=600ms"
///
/// Belongs outermost, so that it sees what the client sees; a second one right around a client
/// tells which upstream it was. The record goes to the observer of the request's extensions or its
/// connection's; when nobody listens there, to `fallback`: logfmt on stderr unless said otherwise.
/// The call is named by `call_name(request)`; `from` and `to` are the peer_endpoints of the
/// connection that it came in on and of the one that it went out on; a phase (layer/phase.hpp) is
/// what a limit, a retry or a client left in the extensions. Costs one coroutine, two readings of
/// the clock and the name; what a slow call costs more, a fast one does not.
class log_slow : public pipeable {
  public:
    explicit log_slow(clock::duration limit, observer fallback = logfmt_observer(),
                      std::source_location where = std::source_location::current())
        : limit_(limit), fallback_(std::move(fallback)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        using Res = response_of<Next, Req>;
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();
        const auto start = time.now();
        const std::string name = call_name(request);
        extensions ext;
        if (const extensions* its = extensions_of(request)) ext = its->fork();
        std::exception_ptr thrown;
        std::optional<detail::answer_of<Res>> answer;
        try {
            if constexpr (std::is_void_v<Res>) {
                co_await next(std::move(request));
                answer.emplace();
            } else {
                answer.emplace(co_await next(std::move(request)));
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        if (const auto took = time.now() - start; took > limit_)
            detail::tell_slow_call(ext, answer ? extensions_of(*answer) : nullptr,
                                   {name, took, limit_, thrown}, fallback_, where_);
        if (thrown) std::rethrow_exception(thrown);
        co_return detail::answer_from<Res>(answer);
    }

  private:
    clock::duration limit_;
    observer fallback_;
    std::source_location where_;
};

}  // namespace weft
