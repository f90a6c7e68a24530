// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What layers cost: ten around a service of http::request, as an application is built and, behind
// any_service, as a server calls it.

#include <weft/core/any_service.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/circuit_breaker.hpp>
#include <weft/layer/concurrency_limit.hpp>
#include <weft/layer/count.hpp>
#include <weft/layer/load_shed.hpp>
#include <weft/layer/rate_limit.hpp>
#include <weft/layer/retry.hpp>

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

// One layer whose call passes: what it adds to `no_layer`.
void through_count(benchmark::State& state) { run(state, weft::count() >> answering{}); }
void through_concurrency_limit(benchmark::State& state) {
    run(state, weft::concurrency_limit(10) >> answering{});
}
void through_rate_limit(benchmark::State& state) {
    run(state, weft::rate_limit({.limit = 1'000'000'000}) >> answering{});
}
void through_rate_limit_by_key(benchmark::State& state) {
    run(state, weft::rate_limit({.limit = 1'000'000'000},
                                [](const http::request& r) { return r.target(); }) >>
                   answering{});
}
void through_load_shed(benchmark::State& state) { run(state, weft::load_shed() >> answering{}); }
void through_circuit_breaker(benchmark::State& state) {
    run(state, weft::circuit_breaker() >> answering{});
}
void through_retry(benchmark::State& state) { run(state, weft::retry() >> answering{}); }

BENCHMARK(through_count);
BENCHMARK(through_concurrency_limit);
BENCHMARK(through_rate_limit);
BENCHMARK(through_rate_limit_by_key);
BENCHMARK(through_load_shed);
BENCHMARK(through_circuit_breaker);
BENCHMARK(through_retry);
BENCHMARK(no_layer);
BENCHMARK(ten_forwarding_layers);
BENCHMARK(ten_coroutine_layers);
BENCHMARK(no_layer_erased);
BENCHMARK(ten_forwarding_layers_erased);
BENCHMARK(ten_coroutine_layers_erased);

}  // namespace
