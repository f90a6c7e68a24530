// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/timeout.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

namespace weft::http::detail {

namespace asio = boost::asio;

awaitable<call_outcome> outcome_of(awaitable<response> call) {
    call_outcome outcome;
    try {
        outcome.answer = co_await std::move(call);
    } catch (...) {
        outcome.failed = std::current_exception();
    }
    // What a cancelled handler throws is the limit's doing, or the caller's: with_deadline tells
    // the two apart.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (outcome.failed && state.cancelled() != asio::cancellation_type::none)
        std::rethrow_exception(outcome.failed);
    co_return outcome;
}

awaitable<response> answer_within(clock::duration limit, awaitable<response> call,
                                  std::source_location where) {
    call_outcome outcome;
    std::exception_ptr thrown;
    try {
        outcome = co_await with_deadline(limit, outcome_of(std::move(call)), where);
    } catch (...) {
        thrown = std::current_exception();
    }
    if (outcome.failed) std::rethrow_exception(outcome.failed);
    if (!thrown) co_return std::move(outcome.answer);
    if (failure::from(thrown).kind() != failure_kind::timeout) std::rethrow_exception(thrown);
    co_return text("the request took too long\n", status::service_unavailable);
}

}  // namespace weft::http::detail
