// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What layers cost: ten around a service of http::request, as an application is built and, behind
// any_service, as a server calls it.

#include <weft/core/any_service.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <utility>

namespace {

namespace http = weft::http;
using weft::awaitable;

/// Only hands the request on: no coroutine.
struct forwarding : weft::pipeable {
    template <class Next>
    auto serve(http::request r, const Next& next) const {
        benchmark::DoNotOptimize(r.extensions());
        return next(std::move(r));
    }
};

/// Waits for the response.
struct waiting : weft::pipeable {
    template <class Next>
    awaitable<http::response> serve(http::request r, const Next& next) const {
        co_return co_await next(std::move(r));
    }
};

struct answering {
    awaitable<http::response> serve(http::request r) const {
        benchmark::DoNotOptimize(r);
        co_return http::response();
    }
};

template <class Layer>
auto ten() {
    return Layer{} >> Layer{} >> Layer{} >> Layer{} >> Layer{} >> Layer{} >> Layer{} >> Layer{} >>
           Layer{} >> Layer{} >> answering{};
}

template <class App>
awaitable<void> call(benchmark::State& state, const App& app) {
    // The request travels through every layer by value; making one is not what is measured.
    for (auto _ : state) {
        http::request r;
        http::response answer = co_await app.serve(std::move(r));
        benchmark::DoNotOptimize(answer);
    }
}

template <class App>
void run(benchmark::State& state, const App& app) {
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context, call(state, app), [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
    });
    context.run();
}

void no_layer(benchmark::State& state) { run(state, answering{}); }
void ten_forwarding_layers(benchmark::State& state) { run(state, ten<forwarding>()); }
void ten_coroutine_layers(benchmark::State& state) { run(state, ten<waiting>()); }

using any_app = weft::any_service<http::request, http::response>;

void no_layer_erased(benchmark::State& state) { run(state, any_app(answering{})); }
void ten_forwarding_layers_erased(benchmark::State& state) {
    run(state, any_app(ten<forwarding>()));
}
void ten_coroutine_layers_erased(benchmark::State& state) { run(state, any_app(ten<waiting>())); }

BENCHMARK(no_layer);
BENCHMARK(ten_forwarding_layers);
BENCHMARK(ten_coroutine_layers);
BENCHMARK(no_layer_erased);
BENCHMARK(ten_forwarding_layers_erased);
BENCHMARK(ten_coroutine_layers_erased);

}  // namespace
