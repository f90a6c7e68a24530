// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/mutex.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace weft_test;

TEST_CASE("one coroutine at a time, across its awaits, in the order in which they came") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::mutex writing;
        std::string written;
        auto body = [&](weft::task_scope& s) -> awaitable<void> {
            for (const char c : {'a', 'b', 'c'})
                s.spawn([&, c]() -> awaitable<void> {
                    const auto turn = co_await writing.lock();
                    for (int i = 0; i < 3; ++i) {
                        written += c;
                        co_await weft::sleep_for(1s);
                    }
                });
            co_await weft::sleep_for(1ms);
            CHECK(writing.locked());
            CHECK(writing.waiting() == 2);
            CHECK(!writing.try_lock());
            while (s.size() > 0) co_await weft::sleep_for(1s);
        };
        co_await weft::with_scope(body);
        CHECK(written == "aaabbbccc");
        CHECK(!writing.locked());
        CHECK(writing.try_lock());
    });
}

TEST_CASE("a cancelled lock leaves the queue to the others") {
    machine m;
    weft::mutex x;
    auto held = x.try_lock();
    started a, b;
    a.start(m.io.get_executor(), [&]() -> awaitable<void> { const auto g = co_await x.lock(); });
    m.settle();
    b.start(m.io.get_executor(), [&]() -> awaitable<void> { const auto g = co_await x.lock(); });
    m.settle();
    a.cancel();
    m.settle();
    CHECK(a.outcome == "aborted");
    held.reset();
    m.settle();
    CHECK(b.outcome == "value");
    CHECK(!x.locked());
}

TEST_CASE("on a thread pool an unguarded counter under the mutex counts right") {
    asio::thread_pool pool(4);
    weft::mutex x;
    long counter = 0;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            auto body = [&](weft::task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 8; ++i)
                    s.spawn([&]() -> awaitable<void> {
                        for (int k = 0; k < 1000; ++k) {
                            const auto g = co_await x.lock();
                            const long seen = counter;
                            if (k % 16 == 0) co_await asio::post(asio::deferred);
                            counter = seen + 1;
                        }
                    });
                while (s.size() > 0) co_await asio::post(asio::deferred);
            };
            co_await weft::with_scope(body);
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(counter == 8000);
}
