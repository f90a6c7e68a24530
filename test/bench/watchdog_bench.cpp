// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What being watched costs: the marks that waits and calls make, and a whole exchange over
// io::duplex on a loop that is watched and on one that is not.

#include "exchanges.hpp"
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/resume_mark.hpp>
#include <weft/runtime/watchdog.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>

#include <source_location>

namespace {

using namespace weft;

void mark_a_call(benchmark::State& state) {
    boost::asio::io_context one(1);
    context_info& info = context_info::of(one);
    info.set_serial(true);
    detail::resume_mark mark(info);
    for (auto _ : state) mark.called("GET", "/catalogue/seats/42?hall=3");
}

void mark_a_wait(benchmark::State& state) {
    boost::asio::io_context one(1);
    context_info& info = context_info::of(one);
    info.set_serial(true);
    detail::resume_mark mark(info);
    for (auto _ : state) mark.resumed("a wait", std::source_location::current());
}

void get_over_duplex_on_a_watched_loop(benchmark::State& state) {
    watchdog dog{watchdog_options{}};
    exchange::repeat(state, exchange::hello, exchange::get,
                     [&](const boost::asio::any_io_executor& loop) { dog.watch(loop); });
}

BENCHMARK(mark_a_call);
BENCHMARK(mark_a_wait);
BENCHMARK(get_over_duplex_on_a_watched_loop);

}  // namespace
