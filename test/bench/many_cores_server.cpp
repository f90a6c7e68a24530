// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The server of test/bench/many_cores: the thirteen bytes of `weft serve http-test`, and with
// --lock the mistake that the measurement must be able to see: one mutex that all cores take for
// each request.
//
//     many_cores_server THREADS [--lock]

#include <weft/http/serve.hpp>
#include <weft/runtime/runtime.hpp>

#include <fmt/core.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string_view>

using namespace weft;

int main(int argc, char** argv) {
    unsigned threads = 0;
    const std::string_view text = argc > 1 ? argv[1] : "";
    std::from_chars(text.data(), text.data() + text.size(), threads);
    if (threads == 0 || argc > 3) {
        fmt::print(stderr, "usage: many_cores_server THREADS [--lock]\n");
        return 2;
    }
    http::serve_options options;
    options.on_listening = [](const net::endpoint& at) {
        fmt::print("listening on {}\n", net::to_string(at));
        std::fflush(stdout);
    };
    weft::runtime cores{{.threads = threads}};
    if (argc == 3 && std::string_view(argv[2]) == "--lock") {
        auto shared = std::make_shared<std::mutex>();
        auto app = [shared](http::request) -> awaitable<http::response> {
            const std::lock_guard lock(*shared);
            co_return http::text("Hello, World!");
        };
        return cores.run(http::serve("127.0.0.1:0", app, options));
    }
    auto make = [] {
        return [](http::request) -> awaitable<http::response> {
            co_return http::text("Hello, World!");
        };
    };
    return cores.run(http::serve("127.0.0.1:0", per_core(make), options));
}
