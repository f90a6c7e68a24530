// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/channel.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

using namespace weft_test;

namespace {

struct odd {
    explicit odd(int i) : p(std::make_unique<int>(i)) {}
    std::unique_ptr<int> p;
};

}  // namespace

TEST_CASE("values arrive in order, for each capacity") {
    for (const std::size_t capacity : {0, 1, 2, 7, 100}) {
        CAPTURE(capacity);
        machine m;
        run_in(m, [&]() -> awaitable<void> {
            weft::channel<odd> c(capacity);
            CHECK(c.capacity() == capacity);
            std::vector<int> got;
            auto body = [&](weft::task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> {
                    for (int i = 0; i < 50; ++i) CHECK(co_await c.send(odd(i)));
                    c.close();
                });
                while (auto v = co_await c.receive()) got.push_back(*v->p);
            };
            co_await weft::with_scope(body);
            REQUIRE(got.size() == 50);
            for (int i = 0; i < 50; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
        });
    }
}

TEST_CASE("a full channel makes senders wait, and takes them first come first served") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::channel<int> c(1);
        int sent = 0;
        auto body = [&](weft::task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 4; ++i)
                s.spawn([&, i]() -> awaitable<void> {
                    CHECK(co_await c.send(i));
                    ++sent;
                });
            co_await weft::sleep_for(1s);
            CHECK(sent == 1);
            CHECK(c.size() == 1);
            for (int i = 0; i < 4; ++i) {
                const auto v = co_await c.receive();
                CHECK(*v == i);
                CHECK(c.size() == (i < 3 ? 1u : 0u));
            }
            co_await weft::sleep_for(1s);
            CHECK(sent == 4);
        };
        co_await weft::with_scope(body);
    });
}

TEST_CASE("with no capacity a send waits until its value is taken") {
    machine m;
    weft::channel<int> c(0);
    int one = 1;
    CHECK(!c.try_send(one));
    started s;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> { CHECK(co_await c.send(5)); });
    m.settle();
    CHECK(!s.done());
    CHECK(c.size() == 0);
    CHECK(c.try_receive() == 5);
    m.settle();
    CHECK(s.outcome == "value");
    started r;
    r.start(m.io.get_executor(), [&]() -> awaitable<void> { CHECK(co_await c.receive() == 6); });
    m.settle();
    CHECK(c.try_send(6));
    m.settle();
    CHECK(r.outcome == "value");
}

TEST_CASE(
    "closing: what is queued is received, then the end; waiting senders and receivers are told") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::channel<int> c(1);
        auto body = [&](weft::task_scope& s) -> awaitable<void> {
            CHECK(co_await c.send(1));
            bool refused = false;
            s.spawn([&]() -> awaitable<void> { refused = !co_await c.send(2); });
            co_await weft::sleep_for(1s);
            c.close();
            c.close();
            CHECK(c.closed());
            co_await weft::sleep_for(1s);
            CHECK(refused);
            CHECK(!co_await c.send(3));
            int three = 3;
            CHECK(!c.try_send(three));
            CHECK(co_await c.receive() == 1);
            CHECK(co_await c.receive() == std::nullopt);
            CHECK(!c.try_receive());
        };
        co_await weft::with_scope(body);
        weft::channel<int> d(1);
        auto waits = [&](weft::task_scope& s) -> awaitable<void> {
            int ended = 0;
            for (int i = 0; i < 3; ++i)
                s.spawn([&]() -> awaitable<void> {
                    CHECK(!co_await d.receive());
                    ++ended;
                });
            co_await weft::sleep_for(1s);
            d.close();
            co_await weft::sleep_for(1s);
            CHECK(ended == 3);
        };
        co_await weft::with_scope(waits);
    });
}

TEST_CASE("destroying a channel ends the waits on it") {
    machine m;
    std::optional<weft::channel<int>> c(0);
    started s, r;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> { (void)co_await c->send(1); });
    m.settle();
    c.reset();
    m.settle();
    CHECK(s.outcome == "aborted");
    c.emplace(1);
    r.start(m.io.get_executor(), [&]() -> awaitable<void> { (void)co_await c->receive(); });
    m.settle();
    c.reset();
    m.settle();
    CHECK(r.outcome == "aborted");
}

TEST_CASE("many producers and many consumers on a thread pool: each value once") {
    asio::thread_pool pool(4);
    weft::channel<int> c(3);
    std::atomic<long> sum{0};
    std::atomic<int> count{0};
    constexpr int producers = 8, each = 2000;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            std::atomic<int> left{producers};
            auto body = [&](weft::task_scope& s) -> awaitable<void> {
                for (int p = 0; p < producers; ++p)
                    s.spawn([&, p]() -> awaitable<void> {
                        for (int i = 0; i < each; ++i)
                            if (!co_await c.send(p * each + i)) co_return;
                        if (--left == 0) c.close();
                    });
                for (int r = 0; r < 5; ++r)
                    s.spawn([&]() -> awaitable<void> {
                        while (auto v = co_await c.receive()) {
                            sum += *v;
                            ++count;
                        }
                    });
                while (auto v = co_await c.receive()) {
                    sum += *v;
                    ++count;
                }
                while (s.size() > 0) co_await asio::post(asio::deferred);
            };
            co_await weft::with_scope(body);
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    constexpr long n = producers * each;
    CHECK(count == n);
    CHECK(sum == n * (n - 1) / 2);
}
