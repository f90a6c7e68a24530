// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/layer/count.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <thread>

using namespace calls;

namespace {

const auto moody = [](query q) -> awaitable<std::string> {
    co_await sleep_for(100ms);
    if (q.text == "q1") throw failure(failure_kind::timeout, "x");
    co_return q.text;
};

}  // namespace

TEST_CASE("calls are counted as they begin, end, fail and are cancelled") {
    in_test([]() -> awaitable<void> {
        weft::count counted;
        auto app = counted >> moody;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                auto all = co_await at_once(app, 5);
                CHECK(failures(all) == 1);
            });
            co_await sleep_for(50ms);
            CHECK(counted.now().in_flight == 5);
            while (s.size() > 0) co_await sleep_for(50ms);
        });
        CHECK(counted.now().total == 5);
        CHECK(counted.now().failed == 1);
        CHECK(counted.now().in_flight == 0);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await app.serve(query("gone")); });
            co_await sleep_for(50ms);
        });
        CHECK(counted.now().total == 6);
        CHECK(counted.now().failed == 1);
        CHECK(counted.now().cancelled == 1);
        CHECK(counted.now().in_flight == 0);
    });
}

TEST_CASE("a call that is destroyed with its context is no longer in flight") {
    weft::count counted;
    auto app = counted >> moody;
    {
        asio::io_context context(1);
        asio::co_spawn(context, app.serve(query("x")), asio::detached);
        context.poll();
        CHECK(counted.now().in_flight == 1);
    }
    CHECK(counted.now().in_flight == 0);
    CHECK(counted.now().cancelled == 1);
}

TEST_CASE("a program says itself what failed") {
    struct empty_is_bad {
        bool operator()(const failure&) const { return false; }
        bool operator()(const std::string& s) const { return s.empty(); }
    };
    in_test([]() -> awaitable<void> {
        weft::count counted(empty_is_bad{});
        auto app = counted >> moody;
        co_await app.serve(query(""));
        co_await app.serve(query("x"));
        (void)co_await attempt(app.serve(query("q1")));
        CHECK(counted.now().failed == 1);
        CHECK(counted.now().total == 3);
    });
}

TEST_CASE("threads count exactly") {
    weft::detail::sharded_counts counts;
    std::array<std::thread, 4> threads;
    for (auto& t : threads)
        t = std::thread([&] {
            for (int i = 0; i < 10'000; ++i) {
                weft::detail::counted_call call(counts);
                call.ended(i % 10 == 0);
            }
        });
    for (auto& t : threads) t.join();
    CHECK(counts.sum().total == 40'000);
    CHECK(counts.sum().failed == 4'000);
    CHECK(counts.sum().in_flight == 0);
}
