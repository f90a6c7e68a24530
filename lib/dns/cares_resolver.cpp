// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cares_question.hpp"
#include "failures.hpp"
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
#include <exception>
#include <source_location>
#include <utility>

namespace weft::dns {

namespace asio = boost::asio;

namespace {

/// Closes the question when the coroutine leaves, in whatever way.
struct closing {
    explicit closing(std::shared_ptr<detail::cares_question> question) : q(std::move(question)) {}
    closing(const closing&) = delete;
    closing& operator=(const closing&) = delete;
    ~closing() { q->close(); }
    const std::shared_ptr<detail::cares_question> q;
};

awaitable<answer> ask(std::shared_ptr<const cares_options> options, net::resolve_request what) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto here = std::source_location::current();
    const wait_fault fault = fault_of(info, "resolve", here);
    if (fault.error)
        throw detail::about(failure::from(fault.error, "cannot look the name up"), what.name);
    if (fault) co_await sleep_for(fault.delay);
    const wait_scope waiting(info, "resolve", here, wait_scope::announced);

    std::optional<clock::time_point> end;
    if (options->timeout.count() > 0) end = info.clock().now() + options->timeout;
    if (const auto d = deadline_of(what)) end = end ? std::min(*end, d->at) : d->at;
    const closing held(std::make_shared<detail::cares_question>(executor, info, what));
    detail::cares_question& question = *held.q;
    std::optional<failure> failed;
    try {
        question.start(*options);
        if (end)
            co_await with_deadline(*end, question.done.wait());
        else
            co_await question.done.wait();
    } catch (...) {
        failed = failure::from(std::current_exception());
    }
    if (failed) {
        if (failed->kind() == failure_kind::timeout)
            throw detail::unanswered(what.name, "the name was not resolved in time");
        if (failed->context("host")) throw failure(*failed);
        throw detail::about(std::move(*failed), what.name);
    }
    result<answer> got = std::move(*question.outcome);
    co_return std::move(got).value();
}

}  // namespace

bool has_cares() noexcept { return true; }

cares_resolver::cares_resolver(cares_options options)
    : options_(std::make_shared<const cares_options>(std::move(options))) {}

awaitable<answer> cares_resolver::serve(net::resolve_request what) const {
    auto options = options_;
    asio::any_io_executor home = co_await asio::this_coro::executor;
    asio::any_io_executor lane = serialized(home);
    if (lane == home) co_return co_await ask(std::move(options), std::move(what));
    co_return co_await run_on(std::move(lane), ask(std::move(options), std::move(what)));
}

}  // namespace weft::dns
