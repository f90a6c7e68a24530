// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/core/deadline.hpp>
#include <weft/layer/concurrency_limit.hpp>
#include <weft/layer/phase.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <memory>

using namespace calls;

namespace {

struct slow_service {
    int& inside;
    int& most;
    weft::clock::duration takes = 100ms;
    awaitable<std::string> serve(query q) const {
        most = std::max(most, ++inside);
        co_await sleep_for(takes);
        --inside;
        co_return q.text;
    }
};

}  // namespace

TEST_CASE("no more calls are inside than the limit; the others are rejected at once") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        concurrency_limit limit(3);
        auto app = limit >> slow_service{inside, most};
        const auto start = co_await time_now();
        auto all = co_await at_once(app, 5);
        CHECK(most == 3);
        CHECK(failures(all) == 2);
        CHECK(co_await since(start) <= 101);
        const failure& f = all[4].error();
        CHECK(f.kind() == failure_kind::rejected);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(f.context("max_concurrent") == "3");
        CHECK(limit.in_flight() == 0);
        CHECK(failures(co_await at_once(app, 3)) == 0);
    });
}

TEST_CASE("calls wait for their turn, first come first served, and too many waiting are rejected") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        std::vector<std::string> order;
        auto app = concurrency_limit({.max = 2, .max_waiting = 3}) >>
                   layer_fn([&](query q, const auto& next) -> awaitable<std::string> {
                       order.push_back(q.text);
                       co_return co_await next(std::move(q));
                   }) >>
                   slow_service{inside, most};
        auto all = co_await at_once(app, 7);
        CHECK(most == 2);
        CHECK(failures(all) == 2);
        CHECK(order == std::vector<std::string>{"q0", "q1", "q2", "q3", "q4"});
        CHECK(all[6].error().context("max_waiting") == "3");
    });
}

TEST_CASE("who waits longer than max_wait gives up, and its place in the line is free") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        concurrency_limit limit({.max = 1, .max_waiting = 10, .max_wait = 250ms});
        auto app = limit >> slow_service{inside, most, 200ms};
        auto all = co_await at_once(app, 3);
        CHECK(failures(all) == 1);
        const failure& f = all[2].error();
        CHECK(f.kind() == failure_kind::timeout);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(f.context("waited_ms") == "250");
        CHECK(f.context("max_concurrent") == "1");
        CHECK(limit.in_flight() == 0);
        CHECK(limit.waiting() == 0);
    });
}

TEST_CASE("a call waits no longer than its deadline, and leaves how long it waited") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        auto app =
            concurrency_limit({.max = 1, .max_waiting = 10}) >> slow_service{inside, most, 1s};
        const auto start = co_await time_now();
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await app.serve(query("first")); });
            co_await sleep_for(1ms);
            query hasty("hasty");
            extensions kept = hasty.ext.fork();
            hasty.ext.insert(deadline{start + 51ms});
            auto r = co_await attempt(app.serve(std::move(hasty)));
            REQUIRE_FALSE(r.has_value());
            CHECK(r.error().kind() == failure_kind::timeout);
            CHECK(co_await since(start) < 60);
            const phase* waited = kept.get<phase>();
            REQUIRE(waited);
            CHECK(waited->name == "queue");
            CHECK(waited->took >= 50ms);
            while (s.size() > 0) co_await sleep_for(10ms);
        });
    });
}

TEST_CASE("cancelling one that waits takes it out of the line and loses no place") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        concurrency_limit limit({.max = 1, .max_waiting = 10});
        auto app = limit >> slow_service{inside, most, 100ms};
        co_await with_scope([&](task_scope& outer) -> awaitable<void> {
            outer.spawn([&]() -> awaitable<void> { co_await app.serve(query("first")); });
            co_await sleep_for(1ms);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 4; ++i)
                    s.spawn([&]() -> awaitable<void> { co_await app.serve(query("gone")); });
                co_await sleep_for(10ms);
                CHECK(limit.waiting() == 4);
            });
            CHECK(limit.waiting() == 0);
            CHECK(limit.in_flight() == 1);
            while (outer.size() > 0) co_await sleep_for(10ms);
        });
        CHECK(limit.in_flight() == 0);
        CHECK(failures(co_await at_once(app, 5)) == 0);
    });
}

TEST_CASE("copies of a limit share it") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        concurrency_limit limit(1);
        auto one = limit >> slow_service{inside, most};
        auto two = limit >> slow_service{inside, most};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await one.serve(query("a")); });
            co_await sleep_for(1ms);
            auto r = co_await attempt(two.serve(query("b")));
            CHECK_FALSE(r.has_value());
            while (s.size() > 0) co_await sleep_for(10ms);
        });
    });
}

TEST_CASE("calls that are destroyed with their context give back what they held") {
    concurrency_limit limit({.max = 2, .max_waiting = 10});
    auto stuck = [](query q) -> awaitable<std::string> {
        co_await sleep_for(1h);
        co_return q.text;
    };
    auto app = limit >> stuck;
    {
        asio::io_context context(1);
        for (int i = 0; i < 5; ++i) asio::co_spawn(context, app.serve(query("q")), asio::detached);
        context.poll();
        CHECK(limit.in_flight() == 2);
        CHECK(limit.waiting() == 3);
    }
    CHECK(limit.in_flight() == 0);
    CHECK(limit.waiting() == 0);
}

TEST_CASE("many threads, many cancellations: never too many inside, no place lost") {
    constexpr int places = 3;
    concurrency_limit limit({.max = places, .max_waiting = 64, .max_wait = 2ms});
    std::atomic<int> inside{0}, most{0}, done{0}, refused{0};
    auto app = limit >> [&](int) -> awaitable<int> {
        const int now = ++inside;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        --inside;
        co_return now;
    };
    asio::thread_pool pool(4);
    for (int i = 0; i < 16; ++i)
        asio::co_spawn(
            asio::make_strand(pool),
            [&]() -> awaitable<void> {
                for (int k = 0; k < 200; ++k) {
                    auto r = co_await attempt(app.serve(k));
                    ++(r ? done : refused);
                }
            },
            asio::detached);
    pool.join();
    CHECK(most.load() <= places);
    CHECK(done + refused == 16 * 200);
    CHECK(done > 0);
    CHECK(limit.in_flight() == 0);
    CHECK(limit.waiting() == 0);
}
