// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "exchanges.hpp"

#include <string>

namespace {

namespace http = weft::http;
using weft::awaitable;

awaitable<http::response> echo(http::request r) {
    http::response answer;
    answer.set_body(std::move(r.body()));
    co_return answer;
}

void get_over_duplex(benchmark::State& state) {
    exchange::repeat(state, exchange::hello, exchange::get);
}

void post_1k_over_duplex(benchmark::State& state) {
    const weft::bytes content(std::string(1024, 'x'));
    exchange::repeat(state, echo, [&] {
        return http::request(http::method::post, "http://localhost/", content);
    });
}

BENCHMARK(get_over_duplex);
BENCHMARK(post_1k_over_duplex);

}  // namespace
