// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// weft inside an existing Asio program: its executors, its completion tokens, its cancellation.
// Here a thread_pool runs everything; an io_context that is yours works the same.

#include <weft/weft.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/core.h>

#include <exception>
#include <future>
#include <string>

using namespace std::literals;
namespace asio = boost::asio;
namespace http = weft::http;

namespace {

weft::awaitable<http::response> hello(http::request r) {
    co_return http::text("Hello, " + r.query("name").value_or("world"));
}

}  // namespace

int main() {
    asio::thread_pool pool(2);
    auto control = asio::make_strand(pool);  // a signal is emitted where its coroutine was started
    asio::cancellation_signal stop;
    std::promise<weft::net::endpoint> listening;
    std::promise<std::exception_ptr> ended;

    asio::co_spawn(control,
                   http::serve("127.0.0.1:0", hello,
                               {.drain = 5s,
                                .on_listening = [&](const auto& at) { listening.set_value(at); }}),
                   asio::bind_cancellation_slot(stop.slot(),
                                                [&](std::exception_ptr e) { ended.set_value(e); }));

    const std::string at = weft::net::to_string(listening.get_future().get());
    http::client client;
    std::future<http::response> reply =
        client.get("http://" + at + "/?name=Asio")(asio::use_future);
    fmt::print("the server answered {}\n", reply.get().status().code());

    // Cancelling drains: the server stops listening, and its connections finish what they are at.
    asio::post(control, [&] { stop.emit(asio::cancellation_type::terminal); });
    const std::exception_ptr failed = ended.get_future().get();
    fmt::print("the server {}\n", failed ? "failed" : "has drained");
    pool.join();
    return failed ? 1 : 0;
}
