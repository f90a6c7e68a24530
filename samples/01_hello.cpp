// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// A server in ten lines.
//
//     $ ./01_hello &
//     $ curl 'http://127.0.0.1:8080/?name=Ann'
//     Hello, Ann
//
// With --once it asks itself, and ends: that is how its test runs it.

#include <weft/weft.hpp>

#include <fmt/core.h>

#include <string_view>

using namespace weft;

namespace {

awaitable<http::response> hello(http::request r) {
    co_return http::text("Hello, " + r.query("name").value_or("world") + "\n");
}

/// Serves on a port that the system chooses, until one request was answered.
awaitable<void> serve_once() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        event listening;
        net::endpoint at;
        http::serve_options options;
        options.on_listening = [&](const net::endpoint& e) {
            at = e;
            listening.set();
        };
        scope.spawn(http::serve("127.0.0.1:0", hello, options));
        co_await listening.wait();
        http::client client;
        http::response r =
            co_await client.get("http://" + net::to_string(at) + "/").query("name", "Ann").send();
        const std::string content = co_await r.body().text();
        fmt::print("{}", content);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") return weft::run(serve_once());
    return weft::run(http::serve("127.0.0.1:8080", hello));
}
