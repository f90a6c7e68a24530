// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a deployment does to a server: SIGTERM while a request is in progress. weft::run turns the
// first signal into a cancellation; http::serve answers it by draining: it stops listening, lets
// each connection finish its response, and ends. A second signal, or `drain`, would end it sooner.

#include <weft/weft.hpp>

#include <fmt/core.h>

#include <csignal>
#include <string>

using namespace weft;
using namespace std::literals;

namespace {

/// The signal comes while this request is being answered.
awaitable<http::response> slow(http::request) {
    fmt::print("a request is in progress; the system says SIGTERM\n");
    std::raise(SIGTERM);
    co_await sleep_for(100ms);
    co_return http::text("finished all the same");
}

awaitable<void> ask(std::string at) {
    http::client client;
    auto answer = co_await client.get("http://" + at + "/").send();
    const std::string text = co_await answer.body().text();
    fmt::print("the request was answered: {} \"{}\", Connection: {}\n", answer.status().code(),
               text, answer.header("Connection").value_or("-"));
    auto again = co_await attempt(client.get("http://" + at + "/").send());
    fmt::print("a new connection: {}\n", again ? "accepted?!" : again.error().what());
}

awaitable<void> serve_and_be_stopped() {
    // A part of the program that is told of the signal, and not interrupted by it. The server is
    // cancelled as `run` would cancel it, were it all that ran.
    co_await graceful([](event& stop) -> awaitable<void> {
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            event listening;
            std::string at;
            http::serve_options options;
            options.drain = 5s;
            options.on_listening = [&](const net::endpoint& e) {
                at = net::to_string(e);
                listening.set();
            };
            event drained;
            scope.spawn([&]() -> awaitable<void> {
                co_await when_any(http::serve("127.0.0.1:0", slow, options), stop.wait());
                fmt::print("the server has drained\n");
                drained.set();
            });
            co_await listening.wait();
            co_await ask(at);
            co_await drained.wait();
        });
    });
}

}  // namespace

int main() { return run(serve_and_be_stopped()); }
