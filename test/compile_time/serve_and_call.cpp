// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a user's file is like: it serves HTTP behind two layers and calls it. compile_time.py prints
// how long it compiles.

#include <weft/weft.hpp>

#include <chrono>

namespace http = weft::http;
using namespace std::chrono_literals;
using weft::awaitable;

awaitable<http::response> hello(http::request r) {
    co_return http::text("Hello, " + r.query("name").value_or("world"));
}

awaitable<void> both(std::string address) {
    co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
        auto app = weft::log_slow(200ms) >> http::timeout(5s) >> hello;
        scope.spawn(http::serve(address, app));
        http::client client;
        auto answer = co_await client.get("http://" + address + "/").query("name", "Gent").send();
        if (answer.status() != 200)
            throw weft::failure(weft::failure_kind::unavailable, "no hello");
    });
}

int main() { return weft::run(both("127.0.0.1:8080")); }
