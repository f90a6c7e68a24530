// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a server pays for its limits (a re-arming per phase of each request), and what a sleep
// costs.

#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

void ignore(weft::deadlines::entry&) noexcept {}

/// The limits of one keep-alive request: idle, header, body, write, among `state.range(0)` other
/// connections. With `serial`, as weft::run has it; without, as on a foreign context.
void phases_of_a_request(benchmark::State& state, bool serial) {
    asio::io_context ioc(1);
    weft::context_info::of(ioc).set_serial(serial);
    std::vector<std::unique_ptr<weft::deadlines::entry>> others;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        others.push_back(std::make_unique<weft::deadlines::entry>(ioc.get_executor(), ignore));
        others.back()->arm_after(60s + std::chrono::milliseconds(i));
    }
    weft::deadlines::entry limit(ioc.get_executor(), ignore);
    for (auto _ : state) {
        limit.arm_after(10s);
        limit.arm_after(30s);
        limit.arm_after(30s);
        limit.arm_after(60s);
    }
    state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK_CAPTURE(phases_of_a_request, serial, true)->Arg(0)->Arg(100'000);
BENCHMARK_CAPTURE(phases_of_a_request, locked, false)->Arg(0)->Arg(100'000);

/// The same phases with a timer of Asio's, as many programs have it: for comparison.
void phases_with_a_steady_timer(benchmark::State& state) {
    asio::io_context ioc(1);
    asio::steady_timer limit(ioc);
    for (auto _ : state) {
        for (const auto length : {10s, 30s, 30s, 60s}) {
            limit.expires_after(length);
            limit.async_wait([](boost::system::error_code) {});
        }
        ioc.poll();
    }
    state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK(phases_with_a_steady_timer);

/// A connection comes and goes: its first arming, and its end.
void first_arm_and_destroy(benchmark::State& state) {
    asio::io_context ioc(1);
    weft::context_info::of(ioc).set_serial(true);
    weft::deadlines::entry other(ioc.get_executor(), ignore);
    other.arm_after(1s);
    weft::deadlines& wheel = weft::context_info::of(ioc).deadlines();
    for (auto _ : state) {
        weft::deadlines::entry limit(wheel, ioc.get_executor(), ignore);
        limit.arm_after(10s);
    }
}
BENCHMARK(first_arm_and_destroy);

/// Entries that are armed and fire, one jump of virtual time each thousand.
void arm_and_fire(benchmark::State& state) {
    struct hand_clock : weft::clock {
        [[nodiscard]] time_point now() const noexcept override { return at; }
        time_point at{1h};
    } time;
    asio::io_context ioc(1);
    weft::context_info& info = weft::context_info::of(ioc);
    info.set_serial(true);
    info.use_virtual_time(time);
    std::vector<std::unique_ptr<weft::deadlines::entry>> all;
    for (int i = 0; i < 1000; ++i)
        all.push_back(std::make_unique<weft::deadlines::entry>(ioc.get_executor(), ignore));
    for (auto _ : state) {
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i]->arm_after(std::chrono::milliseconds(i * 11));
        time.at += 20s;
        info.deadlines().advance_to(time.at);
        ioc.restart();
        ioc.poll();
    }
    state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(arm_and_fire);

/// A sleep in virtual time: coroutine, heap, jump, post.
void sleep_in_virtual_time(benchmark::State& state) {
    weft::testing::run(
        [&state]() -> weft::awaitable<void> {
            for (auto _ : state) co_await weft::sleep_for(10ms);
        },
        {.limit = 600s});
}
BENCHMARK(sleep_in_virtual_time);

}  // namespace
