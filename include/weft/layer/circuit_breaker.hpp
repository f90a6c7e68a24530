// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/call_failures.hpp>
#include <weft/layer/detail/circuit.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

/// Stops calling a peer that fails, and finds out gently when it is well again.
///
///     circuit_breaker breaker({.failure_rate = 0.5, .window = 10s, .open_for = 5s});
///     auto api = retry() >> breaker >> timeout(2s) >> client;
///     if (breaker.state() == circuit_state::open) ...
///
/// Belongs inside of retry (whose further attempts it spares the peer) and outside of the timeout
/// of a single try, one breaker a peer. At an HTTP gateway http::circuit_breaker answers 503
/// instead of throwing, and counts 5xx.
///
/// **Closed**, all calls pass. When one fails and at least `failure_rate` of the calls of the last
/// `window` have, of `min_calls` or more, it opens. **Open**, calls throw at once a failure of kind
/// unavailable, not_sent, whose retry_after() says when the next may pass. After `open_for` it is
/// **half-open**: `probes` calls pass, the others are refused. When all of them succeed it closes,
/// and has forgotten; when one fails it opens for twice as long as the last time, at most
/// `max_open_for`. A call that took longer than `slow` has failed, whatever it gave. Calls that
/// began in an earlier state are not counted. A probe that is cancelled lets another one pass; one
/// that hangs keeps its place, so a timeout belongs inside.
///
/// What counts as failed is `Failed`'s to say (layer/call_failures.hpp); a cancellation never is.
///
/// **Sharing.** Copies share the circuit, on all cores. Passing while closed costs a coroutine, two
/// readings of the clock and one atomic addition into a tenth of the window; a lock is taken only
/// to change the state.
template <class Failed = peer_failures>
class circuit_breaker : public pipeable {
  public:
    explicit circuit_breaker(circuit_breaker_options options = {}, Failed failed = {},
                             std::source_location where = std::source_location::current())
        : circuit_(std::make_shared<detail::circuit>(std::move(options))),
          failed_(std::move(failed)),
          where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();
        detail::circuit::passage passage(*circuit_, time);
        if (!passage) throw circuit_->refusal(passage, where_);
        co_return co_await judged<response_of<Next, Req>>(passage, std::move(request), next);
    }

    [[nodiscard]] circuit_state state() const noexcept { return circuit_->state(); }
    /// Closes it, or opens it for `open_for`, by hand.
    void close() const { circuit_->close(); }
    void open(clock::time_point now) const { circuit_->open(now); }

  protected:
    /// The call itself, once it may pass.
    template <class Res, class Req, class Next>
    awaitable<Res> judged(detail::circuit::passage& passage, Req request, const Next& next) const {
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
        if (thrown) {
            if (!detail::is_cancellation(thrown)) passage.ended(failed_(failure::from(thrown)));
            std::rethrow_exception(thrown);
        }
        passage.ended(detail::response_failed(failed_, *answer));
        co_return detail::answer_from<Res>(answer);
    }

    std::shared_ptr<detail::circuit> circuit_;
    [[no_unique_address]] Failed failed_;
    std::source_location where_;
};

circuit_breaker() -> circuit_breaker<>;
circuit_breaker(circuit_breaker_options) -> circuit_breaker<>;
template <class Failed>
circuit_breaker(circuit_breaker_options, Failed) -> circuit_breaker<Failed>;

}  // namespace weft
