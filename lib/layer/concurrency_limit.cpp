// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/deadline.hpp>
#include <weft/layer/concurrency_limit.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/layer/phase.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>

namespace weft::detail {

awaitable<std::optional<failure>> concurrency_state::admit(gate::place& place,
                                                           const extensions* ext,
                                                           std::source_location where) {
    const auto limit = static_cast<long long>(options_.max);
    if (place.turned_away()) {
        if (options_.max_waiting == 0)
            co_return failure(failure_kind::rejected, "too many calls at once", where)
                .with("max_concurrent", limit)
                .delivered(delivery::not_sent);
        co_return failure(failure_kind::rejected, "too many calls wait for their turn", where)
            .with("max_concurrent", limit)
            .with("max_waiting", static_cast<long long>(options_.max_waiting))
            .delivered(delivery::not_sent);
    }
    const auto executor = co_await boost::asio::this_coro::executor;
    const clock& time = context_info::of(executor).clock();
    clock::duration most = options_.max_wait;
    if (ext)
        if (const deadline* d = ext->get<deadline>()) most = std::min(most, d->left(time.now()));
    std::exception_ptr thrown;
    {
        phase_timer waiting(ext, time, "queue", where);
        try {
            co_await with_deadline(most, place.wait(where), where);
        } catch (...) {
            thrown = std::current_exception();
        }
    }
    if (!thrown) co_return std::nullopt;
    if (is_cancellation(thrown)) std::rethrow_exception(thrown);
    const failure why = failure::from(thrown);
    if (why.kind() != failure_kind::timeout) std::rethrow_exception(thrown);
    using std::chrono::milliseconds;
    co_return failure(failure_kind::timeout, "no turn in time: too many calls at once", where)
        .in(failure_domain::local)
        .with("max_concurrent", limit)
        .with("waited_ms", std::chrono::duration_cast<milliseconds>(most).count())
        .delivered(delivery::not_sent);
}

}  // namespace weft::detail
