// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Exchanges over HTTP/2 and io::duplex, client and server on one core: one at a time, which is all
// turns and frames, 32 at a time, as h2load asks, and contents.

#include "exchanges.hpp"
#include <weft/runtime/race.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace {

namespace http = weft::http;
using weft::awaitable;

awaitable<void> one(const http::connection& client, http::request r, std::size_t size,
                    benchmark::State& state) {
    http::response answer = co_await client.serve(std::move(r));
    std::size_t n = 0;
    while (auto chunk = co_await answer.body().next()) n += chunk->size();
    if (n != size) state.SkipWithError("not the content");
}

/// `at_once` exchanges an iteration, on one connection.
template <class App, class Make>
void repeat(benchmark::State& state, App app, Make make_request, std::size_t size,
            std::size_t at_once) {
    const http::server server(std::move(app));
    weft::run([&]() -> awaitable<void> {
        co_await weft::with_scope([&](weft::task_scope& scope) -> awaitable<void> {
            auto [near, far] = weft::io::duplex(co_await boost::asio::this_coro::executor);
            scope.spawn(server.serve(std::move(far)));
            http::client_options options;
            options.protocol = http::protocol::http_2;
            const http::connection client = co_await http::connect(std::move(near), options);
            for (auto _ : state) {
                std::vector<awaitable<void>> all;
                all.reserve(at_once);
                for (std::size_t i = 0; i < at_once; ++i)
                    all.push_back(one(client, make_request(), size, state));
                co_await weft::when_all(std::move(all));
            }
            client.close();
        });
    });
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * at_once));
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * at_once * size));
}

void h2_get(benchmark::State& state) {
    repeat(state, exchange::hello, exchange::get, 13, static_cast<std::size_t>(state.range(0)));
}

void h2_post_1k(benchmark::State& state) {
    auto echo = [](http::request r) -> awaitable<http::response> {
        co_return http::response(200, std::move(r.body()));
    };
    const weft::bytes content(std::string(1024, 'x'));
    repeat(
        state, echo,
        [&] { return http::request(http::method::post, "http://localhost/", content); }, 1024,
        static_cast<std::size_t>(state.range(0)));
}

void h2_download_1m(benchmark::State& state) {
    const weft::bytes content(std::string(1024 * 1024, 'x'));
    auto app = [&](http::request) -> awaitable<http::response> {
        co_return http::bytes(content, "application/octet-stream");
    };
    repeat(state, app, exchange::get, content.size(), 1);
}

BENCHMARK(h2_get)->Arg(1)->Arg(32);
BENCHMARK(h2_post_1k)->Arg(1)->Arg(32);
BENCHMARK(h2_download_1m);

}  // namespace
