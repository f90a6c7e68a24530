// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {

awaitable<std::unique_ptr<int>> after(weft::clock::duration d, int v) {
    co_await weft::sleep_for(d);
    co_return std::make_unique<int>(v);
}
awaitable<void> pause(weft::clock::duration d) { co_await weft::sleep_for(d); }
awaitable<int> at_once(int v) { co_return v; }
awaitable<int> fails(weft::clock::duration d, const char* text) {
    if (d > 0s) co_await weft::sleep_for(d);
    throw std::runtime_error(text);
}
awaitable<int> unstoppable(weft::clock::duration d, int v) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await weft::sleep_for(d);
    co_return v;
}

}  // namespace

TEST_CASE("when_any gives the first, its place and its value, and stops the others") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto begin = m.clock.now();
        auto [index, values] = co_await weft::when_any(after(3s, 1), pause(1s), after(2s, 2));
        CHECK(index == 1);
        CHECK(!std::get<0>(values));
        CHECK(std::get<1>(values));
        CHECK(!std::get<2>(values));
        CHECK(m.clock.now() - begin == 1s);
        CHECK(m.info.live().tasks == 0);
    });
}

TEST_CASE("when_any also gives the value of a loser that came to its end") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto r = co_await weft::when_any(at_once(1), unstoppable(1s, 2));
        CHECK(r.index == 0);
        CHECK(*get<0>(r) == 1);
        CHECK(*get<1>(r) == 2);
    });
}

TEST_CASE("when_any throws when the first to end throws, and drops what losers throw") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        std::exception_ptr e;
        try {
            co_await weft::when_any(after(1s, 1), fails(10ms, "first"));
        } catch (...) {
            e = std::current_exception();
        }
        CHECK(outcome_of(e) == "first");
        auto r = co_await weft::when_any(at_once(1), fails(0s, "too late"));
        CHECK(r.index == 0);
    });
}

TEST_CASE("when_any takes five and more, and vectors") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto five =
            co_await weft::when_any(pause(5s), pause(4s), after(1s, 3), pause(2s), pause(3s));
        CHECK(five.index == 2);
        CHECK(**get<2>(five) == 3);
        std::vector<awaitable<std::unique_ptr<int>>> many;
        for (int i = 0; i < 50; ++i) many.push_back(after(std::chrono::seconds(100 - i), i));
        auto r = co_await weft::when_any(std::move(many));
        CHECK(r.index == 49);
        CHECK(**r.values[49] == 49);
        std::exception_ptr e;
        try {
            co_await weft::when_any(std::vector<awaitable<int>>{});
        } catch (...) {
            e = std::current_exception();
        }
        CHECK(outcome_of(e) == "invalid_input");
    });
}

TEST_CASE("when_all gives all values, in order, after the last") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto begin = m.clock.now();
        auto [a, b, c] = co_await weft::when_all(after(3s, 1), pause(1s), at_once(5));
        CHECK(*a == 1);
        CHECK(b == std::monostate{});
        CHECK(c == 5);
        CHECK(m.clock.now() - begin == 3s);
        std::vector<awaitable<std::unique_ptr<int>>> many;
        for (int i = 0; i < 20; ++i) many.push_back(after(std::chrono::seconds(i % 3), i));
        auto all = co_await weft::when_all(std::move(many));
        REQUIRE(all.size() == 20);
        for (int i = 0; i < 20; ++i) CHECK(*all[static_cast<std::size_t>(i)] == i);
        const auto none = co_await weft::when_all(std::vector<awaitable<int>>{});
        CHECK(none.empty());
        auto five =
            co_await weft::when_all(at_once(1), at_once(2), at_once(3), at_once(4), at_once(5));
        CHECK(five == std::tuple(1, 2, 3, 4, 5));
    });
}

TEST_CASE("when_all stops at the first failure, and throws it when the others have ended") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto begin = m.clock.now();
        std::exception_ptr e;
        try {
            co_await weft::when_all(after(1h, 1), fails(10ms, "first"), unstoppable(2s, 1),
                                    fails(1s, "second"));
        } catch (...) {
            e = std::current_exception();
        }
        CHECK(outcome_of(e) == "first");
        CHECK(m.clock.now() - begin == 2s);
        CHECK(m.info.live().tasks == 0);
        co_await pause(1s);  // the caller is not cancelled
    });
}

TEST_CASE("racers on a thread pool run side by side: each waits for the other to begin") {
    asio::thread_pool pool(2);
    std::atomic<int> begun{0};
    const auto meet = [&]() -> awaitable<int> {
        ++begun;
        while (begun < 2) std::this_thread::yield();
        co_return 1;
    };
    std::atomic<int> sum{0};
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            auto [a, b] = co_await weft::when_all(meet(), meet());
            sum = a + b;
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(sum == 2);
}

TEST_CASE("a hundred thousand races one after the other need no stack") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        int sum = 0;
        for (int i = 0; i < 100'000; ++i) {
            auto r = co_await weft::when_any(at_once(1), at_once(2));
            sum += *get<0>(r);
        }
        CHECK(sum == 100'000);
    });
}
