// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What one request of a pooled client costs: over duplex and over TCP on the loopback, against our
// own server on the same core, beside a bare connection; with allocations.

#include <weft/weft.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/this_coro.hpp>

#include <cstdlib>
#include <new>
#include <string>

namespace {

namespace http = weft::http;
namespace net = weft::net;
using weft::awaitable;

awaitable<http::response> hello(http::request) {
    co_return http::bytes(weft::bytes::literal("Hello, World!"), "text/plain");
}

awaitable<void> one(const http::client& client, std::string url, benchmark::State& state) {
    http::response answer = co_await client.get(std::move(url)).send();
    const weft::bytes content = co_await answer.body().read_all();
    if (content.size() != 13) state.SkipWithError("not the content");
}

/// A connector whose connections are served in `scope`.
auto served_by(const http::server& server, weft::task_scope& scope) {
    return [&](net::connect_request) -> awaitable<weft::io::stream> {
        auto [near, far] = weft::io::duplex(co_await boost::asio::this_coro::executor);
        scope.spawn(server.serve(std::move(far)));
        co_return std::move(near);
    };
}

void pooled_get_over_duplex(benchmark::State& state) {
    const http::server server(hello);
    weft::run([&]() -> awaitable<void> {
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            const http::client client(served_by(server, scope));
            for (auto _ : state) co_await one(client, "http://localhost/", state);
            co_await client.close();
        });
    });
}

/// The cost of a queue: eight at a time on one connection.
void queued_get_over_duplex(benchmark::State& state) {
    const http::server server(hello);
    weft::run([&]() -> awaitable<void> {
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            http::client_options options;
            options.max_connections_per_host = 1;
            const http::client client(served_by(server, scope), options);
            for (auto _ : state)
                co_await weft::with_scope([&](weft::task_scope& s) -> awaitable<void> {
                    for (int i = 0; i < 7; ++i) s.spawn(one(client, "http://localhost/", state));
                    co_await one(client, "http://localhost/", state);
                    while (client.statistics().waiting > 0 || client.statistics().in_use > 0)
                        co_await weft::sleep_for(std::chrono::microseconds(1));
                });
            co_await client.close();
        });
    });
    state.SetItemsProcessed(state.iterations() * 8);
}

void cold_get_over_duplex(benchmark::State& state) {
    const http::server server(hello);
    weft::run([&]() -> awaitable<void> {
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            http::client_options options;
            options.max_connection_uses = 1;
            const http::client client(served_by(server, scope), options);
            for (auto _ : state) co_await one(client, "http://localhost/", state);
            co_await client.close();
        });
    });
}

void pooled_get_over_tcp(benchmark::State& state) {
    weft::run([&]() -> awaitable<void> {
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            weft::event listening;
            std::string url;
            http::serve_options options;
            options.on_listening = [&](const auto& at) {
                url = "http://" + net::to_string(at) + "/";
                listening.set();
            };
            scope.spawn(http::serve("127.0.0.1:0", hello, options));
            co_await listening.wait();
            const http::client client;
            for (auto _ : state) co_await one(client, url, state);
            co_await client.close();
        });
    });
}

BENCHMARK(pooled_get_over_duplex);
BENCHMARK(queued_get_over_duplex);
BENCHMARK(cold_get_over_duplex);
BENCHMARK(pooled_get_over_tcp);

}  // namespace
