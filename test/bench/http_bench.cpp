// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// A whole exchange over io::duplex: http::connection writes a request, http::server reads it, calls
// the application and answers, http::connection reads the response. Both ends on one core, so a
// figure is the processor time of client and server together.

#include <weft/http/connection.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/scope.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/this_coro.hpp>

#include <string>
#include <utility>

namespace {

namespace http = weft::http;
using weft::awaitable;

template <class App>
void exchanges(benchmark::State& state, App app, auto make_request) {
    const http::server server(std::move(app));
    weft::run([&]() -> awaitable<void> {
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

http::request get() { return http::request(http::method::get, "http://localhost/"); }

awaitable<http::response> hello(http::request) {
    co_return http::bytes(weft::bytes::literal("Hello, World!"), "text/plain");
}

awaitable<http::response> echo(http::request r) {
    http::response answer;
    answer.set_body(std::move(r.body()));
    co_return answer;
}

void get_over_duplex(benchmark::State& state) { exchanges(state, hello, get); }

void post_1k_over_duplex(benchmark::State& state) {
    const weft::bytes content(std::string(1024, 'x'));
    exchanges(state, echo,
              [&] { return http::request(http::method::post, "http://localhost/", content); });
}

BENCHMARK(get_over_duplex);
BENCHMARK(post_1k_over_duplex);

}  // namespace
