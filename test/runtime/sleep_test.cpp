// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

awaitable<void> note_after(clock::duration d, std::string& order, char name) {
    co_await sleep_for(d);
    order += name;
}

}  // namespace

TEST_CASE("sleeps end in the order of their times, equal ones in the order they began") {
    const std::string order = testing::run([]() -> awaitable<std::string> {
        std::string text;
        auto ex = co_await asio::this_coro::executor;
        asio::co_spawn(ex, note_after(3ms, text, 'd'), asio::detached);
        asio::co_spawn(ex, note_after(1ms, text, 'a'), asio::detached);
        asio::co_spawn(ex, note_after(2ms, text, 'b'), asio::detached);
        asio::co_spawn(ex, note_after(2ms, text, 'c'), asio::detached);
        co_await sleep_for(10ms);
        co_return text;
    });
    CHECK(order == "abcd");
}

TEST_CASE("a sleep of nothing lets ready work go first and takes no time") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto& time = context_info::of(ex).clock();
        const auto start = time.now();
        std::string text;
        asio::co_spawn(ex, note_after(0s, text, 'x'), asio::detached);
        co_await sleep_for(-1h);
        co_await sleep_for(0s);
        CHECK(text == "x");
        co_await sleep_until(start - 1h);
        CHECK(time.now() == start);
        co_await sleep_until(start + 1h);
        CHECK(time.now() == start + 1h);
    });
}

TEST_CASE("a cancelled sleep throws operation_aborted at once and leaves nothing") {
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                            asio::cancellation_type::total}) {
        testing::run([type]() -> awaitable<void> {
            auto ex = co_await asio::this_coro::executor;
            auto& info = context_info::of(ex);
            const auto start = info.clock().now();
            asio::cancellation_signal stop;
            bool done = false;
            boost::system::error_code result;
            auto sleeper = []() -> awaitable<void> {
                co_await asio::this_coro::reset_cancellation_state(
                    asio::enable_total_cancellation());
                co_await sleep_for(std::chrono::hours(1));
            };
            asio::co_spawn(ex, sleeper,
                           asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr e) {
                               done = true;
                               try {
                                   if (e) std::rethrow_exception(e);
                               } catch (const boost::system::system_error& error) {
                                   result = error.code();
                               }
                           }));
            co_await sleep_for(1s);
            CHECK(info.deadlines().size() == 1);
            stop.emit(type);
            CHECK_FALSE(done);
            CHECK(info.deadlines().size() == 0);
            co_await sleep_for(0s);
            co_await sleep_for(0s);
            CHECK(done);
            CHECK(result == asio::error::operation_aborted);
            CHECK(info.clock().now() - start == 1s);
        });
    }
}

TEST_CASE("a cancellation that meets a sleep which has just ended changes nothing") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        asio::cancellation_signal stop;
        int ended = 0;
        asio::co_spawn(
            ex, sleep_for(5ms),
            asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr) { ++ended; }));
        co_await sleep_for(5ms);
        stop.emit(asio::cancellation_type::terminal);
        co_await sleep_for(1ms);
        CHECK(ended == 1);
        stop.emit(asio::cancellation_type::terminal);
        CHECK(ended == 1);
    });
}

TEST_CASE("a foreign io_context runs sleeps, and comes to its end after them") {
    asio::io_context ioc;
    std::string order;
    const auto begun = std::chrono::steady_clock::now();
    asio::co_spawn(ioc, note_after(4ms, order, 'b'), asio::detached);
    asio::co_spawn(ioc, note_after(1ms, order, 'a'), asio::detached);
    ioc.run();
    CHECK(order == "ab");
    CHECK(std::chrono::steady_clock::now() - begun >= 4ms);
    CHECK(context_info::of(ioc).deadlines().size() == 0);
}

TEST_CASE("a context that ends takes its sleeping coroutines with it") {
    bool destroyed = false;
    {
        asio::io_context ioc;
        auto body = [&destroyed]() -> awaitable<void> {
            struct on_exit {
                bool& flag;
                ~on_exit() { flag = true; }
            } const guard{destroyed};
            co_await sleep_for(1h);
        };
        asio::co_spawn(ioc, body, asio::detached);
        ioc.poll();
        CHECK(context_info::of(ioc).deadlines().size() == 1);
        CHECK_FALSE(destroyed);
    }
    CHECK(destroyed);
}

TEST_CASE("a cancelled sleep lets a foreign io_context end at once") {
    asio::io_context ioc;
    asio::cancellation_signal stop;
    asio::co_spawn(ioc, sleep_for(1h), asio::bind_cancellation_slot(stop.slot(), asio::detached));
    ioc.poll();
    stop.emit(asio::cancellation_type::terminal);
    const auto begun = std::chrono::steady_clock::now();
    ioc.run();
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
}

TEST_CASE("many sleeps on a thread pool all end, none too early") {
    asio::thread_pool pool(4);
    std::atomic<int> early{0};
    std::vector<std::future<void>> ended;
    for (int i = 0; i < 400; ++i) {
        auto body = [](int n, std::atomic<int>& bad) -> awaitable<void> {
            for (int k = 0; k < 10; ++k) {
                const auto begun = std::chrono::steady_clock::now();
                const auto length = std::chrono::microseconds((n * 37 + k * 11) % 700);
                co_await sleep_for(length);
                if (std::chrono::steady_clock::now() - begun < length) ++bad;
            }
        };
        ended.push_back(asio::co_spawn(asio::make_strand(pool), body(i, early), asio::use_future));
    }
    for (auto& f : ended) f.get();
    CHECK(early == 0);
    CHECK(context_info::of(pool).deadlines().size() == 0);
}

TEST_CASE("sleeps on a thread pool race with their cancellation, and each ends exactly once") {
    constexpr int rounds = 20'000;
    asio::thread_pool pool(4);
    std::atomic<int> ended{0};
    std::atomic<int> aborted{0};
    struct one {
        explicit one(asio::thread_pool& p) : strand(asio::make_strand(p)) {}
        asio::strand<asio::thread_pool::executor_type> strand;
        asio::cancellation_signal stop;
    };
    std::vector<std::unique_ptr<one>> all;
    for (int i = 0; i < rounds; ++i) {
        one& o = *all.emplace_back(std::make_unique<one>(pool));
        asio::co_spawn(o.strand, sleep_for(std::chrono::microseconds(i % 300)),
                       asio::bind_cancellation_slot(o.stop.slot(), [&](std::exception_ptr e) {
                           ++ended;
                           if (e) ++aborted;
                       }));
        // From another strand's thread, onto its own strand, as everything in weft does it.
        asio::post(pool, [&o] {
            asio::post(o.strand, [&o] { o.stop.emit(asio::cancellation_type::terminal); });
        });
    }
    pool.join();
    CHECK(ended == rounds);
    MESSAGE(aborted.load() << " of " << rounds << " sleeps were cancelled in time");
}
