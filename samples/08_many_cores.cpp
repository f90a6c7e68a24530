// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Eight event loops, and a watchdog over them.
//
//     $ ./08_many_cores &
//     $ curl http://127.0.0.1:8080/
//     core 5 has answered 1 requests
//
// Each core has a thread, a listener, an application and connections of its own, so nothing on the
// way of a request is shared: the counter below is a plain int. There may be more cores than
// processors. The watchdog says who holds a loop up: ask for /slow and read stderr.
//
// With --once it asks itself 64 times, over as many connections, and ends: that is how its test
// runs it.

#include <weft/core/logfmt_observer.hpp>
#include <weft/runtime/watchdog.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <chrono>
#include <map>
#include <memory>
#include <string_view>
#include <thread>

using namespace weft;
using namespace std::literals;

namespace {

/// The application of one core. It is called on that core alone: no lock, no atomic.
auto make_app() {
    auto answered = std::make_shared<int>(0);
    return [answered](http::request r) -> awaitable<http::response> {
        const auto executor = co_await boost::asio::this_coro::executor;
        const std::size_t core = context_info::of(executor).core();
        // What nobody should do on an event loop: everything else on this core waits.
        if (r.path() == "/slow") std::this_thread::sleep_for(300ms);
        co_return http::text(fmt::format("core {} has answered {} requests\n", core, ++*answered));
    };
}

/// Serves on a port that the system chooses, until 64 connections were answered.
awaitable<void> serve_once() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        event listening;
        net::endpoint at;
        http::serve_options options;
        options.on_listening = [&](const net::endpoint& e) {
            at = e;
            listening.set();
        };
        scope.spawn(http::serve("127.0.0.1:0", per_core(make_app), options));
        co_await listening.wait();
        std::map<std::string, int> answers;  // by core
        for (int i = 0; i < 64; ++i) {
            http::client client;  // a connection of its own
            http::response r = co_await client.get("http://" + net::to_string(at) + "/").send();
            const std::string text = co_await r.body().text();
            ++answers[text.substr(0, text.find(" has"))];
        }
        for (const auto& [core, n] : answers) fmt::print("{}: {} connections\n", core, n);
    });
}

}  // namespace

int main(int argc, char** argv) {
    weft::runtime cores{{.threads = 8}};
    weft::watchdog dog({.observer = logfmt_observer()});
    dog.watch(cores);
    if (argc > 1 && std::string_view(argv[1]) == "--once") {
        const int status = cores.run(serve_once());
        for (const auto& loop : dog.loops())
            fmt::print("{}: at most {:.1f} ms late\n", loop.name,
                       static_cast<double>(loop.lateness.max().count()) / 1e6);
        return status;
    }
    return cores.run(http::serve("127.0.0.1:8080", per_core(make_app)));
}
