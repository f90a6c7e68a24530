// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

TEST_CASE("a runtime has the cores that were asked for, or one per processor") {
    const weft::runtime three{{.threads = 3}};
    CHECK(three.cores().size() == 3);
    const weft::runtime all;
    CHECK(all.cores().size() == std::max(1u, std::thread::hardware_concurrency()));
}

TEST_CASE("main starts a coroutine on each core, and each runs on a thread of its own") {
    weft::runtime many{{.threads = 4}};
    const int status = many.run([]() -> awaitable<int> {
        auto ex = co_await asio::this_coro::executor;
        weft::runtime* owner = context_info::of(ex).owner();
        REQUIRE(owner != nullptr);
        CHECK(context_info::of(ex).core() == 0);
        std::vector<std::thread::id> threads;
        for (std::size_t i = 0; i < owner->cores().size(); ++i) {
            auto body = [](std::size_t core) -> awaitable<std::thread::id> {
                auto here = co_await asio::this_coro::executor;
                context_info& info = context_info::of(here);
                if (info.core() != core || !info.serial() || !is_serial(here))
                    throw std::runtime_error("wrong core");
                co_await sleep_for(1ms);
                co_return std::this_thread::get_id();
            };
            threads.push_back(
                co_await asio::co_spawn(owner->cores()[i], body(i), asio::use_awaitable));
        }
        CHECK(threads.front() == std::this_thread::get_id());
        co_return static_cast<int>(std::set(threads.begin(), threads.end()).size());
    });
    CHECK(status == 4);
}

TEST_CASE("posting between cores is safe while they run") {
    weft::runtime many{{.threads = 4}};
    std::atomic<int> hops{0};
    CHECK(many.run([&]() -> awaitable<void> {
        auto walker = [](weft::runtime& r, std::size_t first,
                         std::atomic<int>& n) -> awaitable<void> {
            for (std::size_t i = first; i < first + 5'000; ++i) {
                co_await asio::post(r.cores()[i % r.cores().size()],
                                    asio::deferred)(asio::use_awaitable);
                n.fetch_add(1, std::memory_order_relaxed);
            }
        };
        weft::runtime& self = *context_info::of(co_await asio::this_coro::executor).owner();
        std::atomic<int> left{4};
        for (std::size_t i = 0; i < 4; ++i)
            asio::co_spawn(self.cores()[i], walker(self, i, hops),
                           [&left](std::exception_ptr) { --left; });
        while (left != 0) co_await sleep_for(1ms);
    }) == 0);
    CHECK(hops == 20'000);
}

TEST_CASE("each core has deadlines of its own, armed on that core") {
    weft::runtime many{{.threads = 3}};
    std::atomic<int> fired{0};
    CHECK(many.run([&]() -> awaitable<void> {
        auto arm = [](std::atomic<int>& n) -> awaitable<void> {
            struct limit : deadlines::entry {
                limit(asio::any_io_executor ex, std::atomic<int>& c)
                    : entry(std::move(ex),
                            [](entry& e) noexcept { ++static_cast<limit&>(e).count; }),
                      count(c) {}
                std::atomic<int>& count;
            };
            limit l(co_await asio::this_coro::executor, n);
            for (int i = 0; i < 3; ++i) {
                l.arm_after(1ms);
                while (l.armed()) co_await sleep_for(1ms);
            }
        };
        weft::runtime& self = *context_info::of(co_await asio::this_coro::executor).owner();
        for (const auto& core : self.cores())
            co_await asio::co_spawn(core, arm(fired), asio::use_awaitable);
    }) == 0);
    CHECK(fired == 9);
}

TEST_CASE("last words that hop between cores are heard") {
    weft::runtime many{{.threads = 2}};
    std::atomic<bool> heard{false};
    CHECK(many.run([&]() -> awaitable<void> {
        weft::runtime& self = *context_info::of(co_await asio::this_coro::executor).owner();
        auto last = [](weft::runtime& r, std::atomic<bool>& flag) -> awaitable<void> {
            auto home = co_await asio::this_coro::executor;
            co_await sleep_for(2ms);
            co_await asio::post(r.cores()[0], asio::deferred)(asio::use_awaitable);
            co_await asio::post(home, asio::deferred)(asio::use_awaitable);
            flag = true;
        };
        asio::co_spawn(self.cores()[1], last(self, heard), asio::detached);
    }) == 0);
    CHECK(heard);
}

TEST_CASE("a failure on another core's handler ends the run") {
    weft::runtime many{{.threads = 2}};
    CHECK(many.run([]() -> awaitable<void> {
        weft::runtime& self = *context_info::of(co_await asio::this_coro::executor).owner();
        asio::post(self.cores()[1],
                   [] { throw std::runtime_error("stray on core 1 (this line is expected)"); });
        co_await sleep_for(1h);
    }) == 1);
}

TEST_CASE("a runtime that never ran, or with work still queued, ends quietly") {
    weft::runtime many{{.threads = 2}};
    asio::post(many.cores()[1], [] { FAIL("ran"); });
}
