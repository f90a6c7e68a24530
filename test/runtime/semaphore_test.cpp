// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/scope.hpp>
#include <weft/runtime/semaphore.hpp>
#include <weft/runtime/sleep.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace weft_test;

TEST_CASE("no more than its permits at once") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::semaphore slots(3);
        int inside = 0, most = 0, total = 0;
        auto body = [&](weft::task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 20; ++i)
                s.spawn([&]() -> awaitable<void> {
                    const auto slot = co_await slots.acquire();
                    most = std::max(most, ++inside);
                    co_await weft::sleep_for(1s);
                    --inside;
                    ++total;
                });
            while (s.size() > 0) co_await weft::sleep_for(1s);
        };
        co_await weft::with_scope(body);
        CHECK(most == 3);
        CHECK(total == 20);
        CHECK(slots.available() == 3);
    });
}

TEST_CASE("first come first served, and a large request is not overtaken") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::semaphore s(2);
        std::vector<int> order;
        auto one = s.try_acquire();
        const auto taker = [&](int id, std::size_t n) -> awaitable<void> {
            const auto p = co_await s.acquire(n);
            order.push_back(id);
            co_await weft::sleep_for(1s);
        };
        auto body = [&](weft::task_scope& scope) -> awaitable<void> {
            scope.spawn(taker(1, 2));
            scope.spawn(taker(2, 1));
            scope.spawn(taker(3, 1));
            co_await weft::sleep_for(1ms);
            CHECK(s.available() == 1);
            CHECK(s.waiting() == 3);
            CHECK(!s.try_acquire());  // somebody waits
            one.reset();
            while (scope.size() > 0) co_await weft::sleep_for(1s);
        };
        co_await weft::with_scope(body);
        CHECK(order == std::vector<int>{1, 2, 3});
    });
}

TEST_CASE("who stood in the way and is cancelled lets the others pass") {
    machine m;
    weft::semaphore s(1);
    auto held = s.try_acquire();
    started large, small;
    large.start(m.io.get_executor(),
                [&]() -> awaitable<void> { const auto p = co_await s.acquire(5); });
    m.settle();
    small.start(m.io.get_executor(),
                [&]() -> awaitable<void> { const auto p = co_await s.acquire(); });
    m.settle();
    held.reset();
    m.settle();
    CHECK(!small.done());
    large.cancel();
    m.settle();
    CHECK(large.outcome == "aborted");
    CHECK(small.outcome == "value");
    CHECK(s.available() == 1);
}

TEST_CASE("a permit moves, is given back once, and early if one likes") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::semaphore s(4);
        auto p = co_await s.acquire(3);
        CHECK(p.count() == 3);
        auto q = std::move(p);
        CHECK(!p);  // NOLINT(bugprone-use-after-move): empty when moved from
        CHECK(s.available() == 1);
        q.release();
        q.release();
        CHECK(s.available() == 4);
        q = co_await s.acquire();
        q = co_await s.acquire(2);
        CHECK(s.available() == 2);
        s.release(10);
        CHECK(s.available() == 12);
    });
}

TEST_CASE("release wakes nobody from inside") {
    machine m;
    weft::semaphore s(0);
    bool woken = false;
    started a;
    a.start(m.io.get_executor(), [&]() -> awaitable<void> {
        const auto p = co_await s.acquire();
        woken = true;
    });
    m.settle();
    started b;
    b.start(m.io.get_executor(), [&]() -> awaitable<void> {
        s.release();
        CHECK(!woken);
        co_return;
    });
    m.settle();
    CHECK(woken);
}

TEST_CASE("destroying a semaphore ends the waits on it") {
    machine m;
    std::optional<weft::semaphore> s(0);
    started a;
    a.start(m.io.get_executor(),
            [&]() -> awaitable<void> { const auto p = co_await s->acquire(); });
    m.settle();
    CHECK(m.info.live().waiters == 1);
    s.reset();
    a.cancel();  // late, and harmless
    m.settle();
    CHECK(a.outcome == "aborted");
    CHECK(m.info.live().waiters == 0);
}

TEST_CASE("a context that ends with waiters destroys them, before or after the semaphore") {
    for (const bool semaphore_first : {false, true}) {
        auto watched = std::make_shared<int>(1);
        const std::weak_ptr<int> alive = watched;
        std::optional<weft::semaphore> s(0);
        {
            machine m;
            asio::co_spawn(
                m.io,
                [&s, kept = std::move(watched)]() -> awaitable<void> {
                    const auto p = co_await s->acquire();
                    CHECK(false);
                },
                [](std::exception_ptr) {});
            m.settle();
            if (semaphore_first) s.reset();
        }
        CHECK(alive.expired());
        if (s) CHECK(s->waiting() == 0);
    }
}
