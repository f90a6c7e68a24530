// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cares_question.hpp"
#include "failures.hpp"
#include "names.hpp"
#include <weft/core/deadline.hpp>
#include <weft/dns/cares_resolver.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/run_on.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <source_location>
#include <utility>

namespace weft::dns {

namespace asio = boost::asio;

struct detail::cares_state {
    explicit cares_state(cares_options o) : options(std::move(o)) {}
    const cares_options options;
    std::atomic<std::size_t> questions = 0;
};

namespace {

/// Closes the question when the coroutine leaves, in whatever way.
struct closing {
    explicit closing(std::shared_ptr<detail::cares_question> question) : q(std::move(question)) {}
    closing(const closing&) = delete;
    closing& operator=(const closing&) = delete;
    ~closing() { q->close(); }
    const std::shared_ptr<detail::cares_question> q;
};

/// One of the questions at once; there may be one too many.
struct place {
    explicit place(std::atomic<std::size_t>& all) : taken(all), before(taken.fetch_add(1)) {}
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() { taken.fetch_sub(1); }
    std::atomic<std::size_t>& taken;
    const std::size_t before;
};

awaitable<answer> ask(std::shared_ptr<detail::cares_state> state, net::resolve_request what) {
    const cares_options& options = state->options;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "resolve", here);
    if (fault.error)
        throw detail::about(failure::from(fault.error, "cannot look the name up"), what.name);
    if (fault) co_await sleep_for(fault.delay);
    const wait_scope waiting(info, "resolve", here, wait_scope::announced);

    std::optional<clock::time_point> end;
    if (options.timeout.count() > 0) end = info.clock().now() + options.timeout;
    if (const auto d = deadline_of(what)) end = end ? std::min(*end, d->at) : d->at;
    const place mine(state->questions);
    if (mine.before >= options.questions)
        throw detail::too_many(what.name, "too many names are being looked up");
    const closing held(std::make_shared<detail::cares_question>(executor, info, what));
    detail::cares_question& question = *held.q;
    std::optional<failure> failed;
    try {
        question.start(options);
        if (end)
            co_await with_deadline(*end, question.done.wait());
        else
            co_await question.done.wait();
        co_return question.take();
    } catch (...) {
        failed = failure::from(std::current_exception());
    }
    if (failed->context("host")) throw failure(*failed);
    if (failed->kind() == failure_kind::timeout)
        throw detail::unanswered(what.name, "the name was not resolved in time");
    throw detail::about(std::move(*failed), what.name);
}

}  // namespace

bool has_cares() noexcept { return true; }

cares_resolver::cares_resolver(cares_options options)
    : state_(std::make_shared<detail::cares_state>(std::move(options))) {}

awaitable<answer> cares_resolver::serve(net::resolve_request what) const {
    auto state = state_;
    detail::refuse_nul(what.name);
    asio::any_io_executor home = co_await asio::this_coro::executor;
    asio::any_io_executor lane = serialized(home);
    if (lane == home) co_return co_await ask(std::move(state), std::move(what));
    co_return co_await run_on(std::move(lane), ask(std::move(state), std::move(what)));
}

}  // namespace weft::dns
