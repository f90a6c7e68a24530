// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft {

namespace asio = boost::asio;

namespace {

struct start_sleep {
    deadlines::sleeper* sleep;
    deadlines::time_point when;
    template <class Handler>
    void operator()(Handler handler) const {
        sleep->start(when, std::move(handler));
    }
};

awaitable<void> sleep(asio::any_io_executor executor, context_info& info, clock::time_point when,
                      std::source_location where) {
    if (const wait_fault fault = fault_of(info, "sleep_for", where)) {
        if (fault.delay < clock::time_point::max() - when) when += fault.delay;
    }
    const wait_scope waiting(info, "sleep_for", where, wait_scope::announced);
    deadlines::sleeper sleeper(info.deadlines(), std::move(executor));
    const start_sleep start{&sleeper, when};
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
        start, asio::use_awaitable);
}

}  // namespace

awaitable<void> sleep_for(clock::duration d, std::source_location where) {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const clock::time_point now = info.clock().now();
    const clock::time_point when =
        d >= clock::time_point::max() - now ? clock::time_point::max() : now + d;
    co_await sleep(std::move(executor), info, when, where);
}

awaitable<void> sleep_until(clock::time_point t, std::source_location where) {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    co_await sleep(std::move(executor), info, t, where);
}

}  // namespace weft
