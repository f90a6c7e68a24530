// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/shutdown.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft {

namespace asio = boost::asio;

awaitable<int> shutdown_signal(std::vector<int> signals, std::source_location where) {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const wait_scope waiting(info, "shutdown_signal", where);
    const external_work outside(info);
    asio::signal_set set(executor);
    for (const int number : signals) set.add(number);
    co_return co_await set.async_wait(asio::use_awaitable);
}

}  // namespace weft
