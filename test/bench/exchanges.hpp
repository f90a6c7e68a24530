// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// A whole exchange over io::duplex: http::connection writes a request, http::server reads it, calls
// the application and answers, http::connection reads the response. Both ends on one core, so a
// figure is the processor time of client and server together.

#include <weft/http/connection.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/scope.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace exchange {

namespace http = weft::http;
using weft::awaitable;

struct nothing {
    void operator()(const boost::asio::any_io_executor&) const noexcept {}
};

/// Calls `prepare` on the loop before the first.
template <class App, class Make, class Prepare = nothing>
void repeat(benchmark::State& state, App app, Make make_request, Prepare prepare = {}) {
    const http::server server(std::move(app));
    weft::run([&]() -> awaitable<void> {
        prepare(co_await boost::asio::this_coro::executor);
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            auto [client_end, server_end] =
                weft::io::duplex(co_await boost::asio::this_coro::executor);
            scope.spawn(server.serve(std::move(server_end)));
            const http::connection client = co_await http::connect(std::move(client_end));
            for (auto _ : state) {
                http::request r = make_request();
                http::response answer = co_await client.serve(std::move(r));
                const weft::bytes content = co_await answer.body().read_all();
                if (content.empty()) state.SkipWithError("no content");
                benchmark::DoNotOptimize(content.data());
            }
            client.close();
        });
    });
}

inline http::request get() { return http::request(http::method::get, "http://localhost/"); }

inline awaitable<http::response> hello(http::request) {
    co_return http::bytes(weft::bytes::literal("Hello, World!"), "text/plain");
}

}  // namespace exchange
