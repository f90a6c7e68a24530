// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <optional>
#include <thread>
#include <vector>

using namespace weft_test;

TEST_CASE("set wakes all who wait, in their order, and whoever comes later does not wait") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::event e;
        std::vector<int> order;
        auto body = [&](weft::task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 5; ++i)
                s.spawn([&, i]() -> awaitable<void> {
                    co_await e.wait();
                    order.push_back(i);
                });
            co_await weft::sleep_for(1s);
            CHECK(e.waiting() == 5);
            e.set();
            CHECK(order.empty());
            e.set();
            co_await weft::sleep_for(1s);
            co_await e.wait();
            order.push_back(9);
        };
        co_await weft::with_scope(body);
        CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 9});
    });
}

TEST_CASE("a reset makes one wait again, and takes no wake-up back") {
    machine m;
    weft::event e;
    started a, b;
    a.start(m.io.get_executor(), [&]() -> awaitable<void> { co_await e.wait(); });
    m.settle();
    e.set();
    e.reset();
    b.start(m.io.get_executor(), [&]() -> awaitable<void> { co_await e.wait(); });
    m.settle();
    CHECK(a.outcome == "value");
    CHECK(!b.done());
    CHECK(!e.is_set());
    e.set();
    m.settle();
    CHECK(b.outcome == "value");
}

TEST_CASE("an event can be set from the beginning") {
    machine m;
    run_in(m, []() -> awaitable<void> {
        weft::event e(true);
        co_await e.wait();
    });
}

TEST_CASE("set from another thread wakes on the waiter's own executor") {
    asio::thread_pool pool(1);
    weft::event e;
    bool there = false;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            co_await e.wait();
            there = pool.get_executor().running_in_this_thread();
        },
        [](std::exception_ptr x) { CHECK(!x); });
    while (e.waiting() == 0) std::this_thread::yield();
    e.set();
    pool.join();
    CHECK(there);
}

TEST_CASE("destroying an event ends the waits on it") {
    machine m;
    std::optional<weft::event> e(std::in_place);
    started a;
    a.start(m.io.get_executor(), [&]() -> awaitable<void> { co_await e->wait(); });
    m.settle();
    e.reset();
    m.settle();
    CHECK(a.outcome == "aborted");
}
