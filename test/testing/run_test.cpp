// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/counters.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

/// Waits for ever, unless cancelled: as a weft primitive does.
awaitable<void> wait_for_ever(std::source_location where = std::source_location::current()) {
    auto ex = co_await asio::this_coro::executor;
    const wait_scope waiting(context_info::of(ex), "a test's wait", where);
    auto never = [](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        slot.assign(
            [h = std::make_shared<decltype(handler)>(std::move(handler))](asio::cancellation_type) {
                auto executor = asio::get_associated_executor(*h);
                asio::post(executor, [h] {
                    std::move (*h)(boost::system::error_code(asio::error::operation_aborted));
                });
            });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
        never, asio::use_awaitable);
}

template <class Exception, class F>
std::string message_of(F f) {
    try {
        f();
    } catch (const Exception& e) {
        return e.what();
    }
    return "nothing was thrown";
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an hour of sleep passes in virtual time at once and exactly") {
    const auto begun = std::chrono::steady_clock::now();
    testing::run([]() -> awaitable<void> {
        auto& time = context_info::of(co_await asio::this_coro::executor).clock();
        const auto start = time.now();
        const auto wall = time.wall_now();
        co_await sleep_for(1h);
        CHECK(time.now() - start == 1h);
        CHECK(time.wall_now() - wall == 1h);
        co_await sleep_for(1ns);
        CHECK(time.now() - start == 1h + 1ns);
    });
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
}

TEST_CASE("thirty seconds of timeouts pass in under 50 ms") {
    const auto begun = std::chrono::steady_clock::now();
    int fired = 0;
    testing::run([&fired]() -> awaitable<void> {
        asio::any_io_executor ex = co_await asio::this_coro::executor;
        struct limit : deadlines::entry {
            limit(asio::any_io_executor e, int& n)
                : entry(std::move(e),
                        [](entry& self) noexcept { ++static_cast<limit&>(self).count; }),
                  count(n) {}
            int& count;
        };
        limit one(ex, fired);
        auto& time = context_info::of(ex).clock();
        const auto start = time.now();
        for (int i = 0; i < 300; ++i) {
            one.arm_after(100ms);
            co_await sleep_for(100ms + deadlines::tick);
        }
        CHECK(time.now() - start == 31'200ms);
    });
    const auto took = std::chrono::steady_clock::now() - begun;
    CHECK(fired == 300);
    MESSAGE("30 s of timeouts took "
            << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << " us");
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    CHECK(took < 1s);
#else
    CHECK(took < 50ms);
#endif
}

TEST_CASE("what the coroutine returns comes out of run") {
    CHECK(testing::run([]() -> awaitable<int> { co_return 42; }) == 42);
    CHECK(testing::run_real([]() -> awaitable<std::string> { co_return "real"; }) == "real");
}

TEST_CASE("what the coroutine throws comes out of run") {
    struct own {};
    const auto thrower = []() -> awaitable<void> {
        co_await sleep_for(1s);
        throw own();
    };
    CHECK_THROWS_AS(testing::run(thrower), own);
    const auto soon = []() -> awaitable<void> {
        co_await sleep_for(1ms);
        throw own();
    };
    CHECK_THROWS_AS(testing::run_real(soon), own);
}

TEST_CASE("what a handler beside the coroutine throws ends the test") {
    struct own {};
    const auto thrower = []() -> awaitable<void> {
        asio::post(co_await asio::this_coro::executor, [] { throw own(); });
        co_await wait_for_ever();
    };
    CHECK_THROWS_AS(testing::run(thrower), own);
    CHECK_THROWS_AS(testing::run_real(thrower), own);
}

TEST_CASE("a deadlocked test fails and names who waits and where, then unwinds") {
    bool unwound = false;
    std::uint_least32_t line = 0;
    const std::string what = message_of<testing::deadlock>([&] {
        testing::run([&]() -> awaitable<void> {
            struct on_exit {
                bool& flag;
                ~on_exit() { flag = true; }
            } const guard{unwound};
            co_await sleep_for(5s);
            line = std::source_location::current().line() + 1;
            co_await wait_for_ever();
        });
    });
    CHECK(unwound);
    CHECK_MESSAGE(contains(what, fmt::format("a test's wait at run_test.cpp:{}", line)), what);
    CHECK_MESSAGE(contains(what, "deadlock"), what);
    CHECK_FALSE(contains(what, "steady_timer"));
}

TEST_CASE("the deadlock report says when a foreign timer is pending in virtual time") {
    const std::string what = message_of<testing::deadlock>([] {
        testing::run([]() -> awaitable<void> {
            asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
            co_await timer.async_wait(asio::use_awaitable);
        });
    });
    CHECK_MESSAGE(contains(what, "asio::steady_timer"), what);
    CHECK_MESSAGE(contains(what, "run_real"), what);
}

TEST_CASE("a test that does not end when asked is given up, with both reports") {
    const std::string what = message_of<testing::deadlock>([] {
        testing::run([]() -> awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            auto ex = co_await asio::this_coro::executor;
            const wait_scope waiting(context_info::of(ex), "a stubborn wait",
                                     std::source_location::current());
            asio::steady_timer timer(ex, 1h);
            co_await timer.async_wait(asio::use_awaitable);
        });
    });
    CHECK_MESSAGE(contains(what, "asked to end, the test did not"), what);
    CHECK_MESSAGE(contains(what, "a stubborn wait at run_test.cpp:"), what);
}

TEST_CASE("a test that spins for ever fails at its limit of real time") {
    const auto spin = []() -> awaitable<void> {
        for (;;) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    };
    const std::string what = message_of<testing::deadlock>(
        [&] { testing::run(spin, {.limit = std::chrono::milliseconds(50)}); });
    CHECK_MESSAGE(contains(what, "did not end within 50 ms"), what);
}

TEST_CASE("a virtual test that waits for outside work for ever says what holds time still") {
    const std::string what = message_of<testing::deadlock>([] {
        testing::run(
            []() -> awaitable<void> {
                const external_work outside(context_info::of(co_await asio::this_coro::executor));
                co_await sleep_for(1h);
            },
            {.limit = std::chrono::milliseconds(20)});
    });
    CHECK_MESSAGE(contains(what, "outside work is under way"), what);
    CHECK_MESSAGE(contains(what, "sleep_for at run_test.cpp:"), what);
}

TEST_CASE("a real test that hangs fails at its limit and names who waits") {
    const std::string what = message_of<testing::deadlock>([] {
        testing::run_real([]() -> awaitable<void> { co_await wait_for_ever(); },
                          {.limit = std::chrono::milliseconds(20)});
    });
    CHECK_MESSAGE(contains(what, "did not end within 20 ms"), what);
    CHECK_MESSAGE(contains(what, "a test's wait at run_test.cpp:"), what);
}

TEST_CASE("each counter that is not zero at the end is a leak, named") {
    struct row {
        std::atomic<std::int64_t> live_counts::* counter;
        const char* name;
    };
    for (const row& r :
         {row{&live_counts::tasks, "1 task"}, row{&live_counts::streams, "1 stream"},
          row{&live_counts::waiters, "1 waiter"}, row{&live_counts::descriptors, "1 descriptor"}}) {
        const auto leaky = [&r]() -> awaitable<void> {
            auto ex = co_await asio::this_coro::executor;
            asio::co_spawn(
                ex,
                [](std::atomic<std::int64_t> live_counts::* counter) -> awaitable<void> {
                    auto here = co_await asio::this_coro::executor;
                    const live_token token(context_info::of(here).live().*counter);
                    co_await sleep_for(1h);
                }(r.counter),
                asio::detached);
            co_await sleep_for(1s);
        };
        const std::string what = message_of<testing::leak>([&] { testing::run(leaky); });
        CHECK_MESSAGE(contains(what, r.name), what);
        CHECK_MESSAGE(contains(what, "1 deadline"), what);
    }
}

TEST_CASE("an operation that weft does not know and that outlives the test is a leak") {
    const std::string what = message_of<testing::leak>([] {
        testing::run([]() -> awaitable<void> {
            auto ex = co_await asio::this_coro::executor;
            auto timer = std::make_shared<asio::steady_timer>(ex, 1h);
            timer->async_wait([timer](boost::system::error_code) {});
        });
    });
    CHECK_MESSAGE(contains(what, "an operation of Asio's own"), what);
}

TEST_CASE("a sleep that outlives the test is a leak, named with its line") {
    const auto leaky = []() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        asio::co_spawn(ex, []() -> awaitable<void> { co_await sleep_for(1h); }, asio::detached);
        co_await sleep_for(1s);
    };
    const std::string what = message_of<testing::leak>([&] { testing::run(leaky); });
    CHECK_MESSAGE(contains(what, "1 deadline"), what);
    CHECK_MESSAGE(contains(what, "sleep_for at run_test.cpp:"), what);
    const auto leaky_for_real = []() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        asio::co_spawn(ex, []() -> awaitable<void> { co_await sleep_for(1h); }, asio::detached);
        co_await sleep_for(1ms);
    };
    CHECK(contains(message_of<testing::leak>([&] { testing::run_real(leaky_for_real); }),
                   "1 deadline"));
}

TEST_CASE("what is spawned into the test's scope is cancelled and joined at its end") {
    int ended = 0;
    const auto test = [&ended]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        task_scope* root = context_info::of(ex).test_root();
        REQUIRE(root != nullptr);
        root->spawn([](int& n) -> awaitable<void> {
            struct on_exit {
                int& count;
                ~on_exit() { ++count; }
            } const guard{n};
            co_await wait_for_ever();
        }(ended));
        co_await sleep_for(1s);
        CHECK(ended == 0);
    };
    testing::run(test);
    CHECK(ended == 1);
    testing::run_real([&]() -> awaitable<void> {
        task_scope* root = context_info::of(co_await asio::this_coro::executor).test_root();
        REQUIRE(root != nullptr);
        root->spawn(wait_for_ever());
    });
}

TEST_CASE("what a spawned child throws fails the test") {
    struct own {};
    const auto test = []() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        context_info::of(ex).test_root()->spawn([]() -> awaitable<void> {
            co_await sleep_for(1s);
            throw own();
        });
        co_await wait_for_ever();
    };
    CHECK_THROWS_AS(testing::run(test), own);
}

TEST_CASE("counters print only what is not zero") {
    CHECK(testing::counters{}.describe().empty());
    CHECK(testing::counters{.tasks = 2, .descriptors = 1}.describe() == "2 tasks, 1 descriptor");
    CHECK_FALSE(testing::counters{.waiters = 1}.zero());
}

namespace {

std::string order_of_ten(testing::run_options options) {
    return testing::run(
        []() -> awaitable<std::string> {
            std::string order;
            auto ex = co_await asio::this_coro::executor;
            for (char c = 'a'; c <= 'j'; ++c) asio::post(ex, [c, &order] { order += c; });
            while (order.size() < 10) co_await sleep_for(0s);
            auto& random = context_info::of(ex).entropy();
            order += fmt::format(" {}", random.below(1'000'000));
            co_return order;
        },
        options);
}

}  // namespace

TEST_CASE("ready work runs in order, or shuffled by the seed, and one seed gives one run") {
    CHECK(order_of_ten({}).starts_with("abcdefghij "));
    const std::string one = order_of_ten({.seed = 7, .shuffle = true});
    CHECK(one == order_of_ten({.seed = 7, .shuffle = true}));
    CHECK(one != order_of_ten({.seed = 8, .shuffle = true}));
    CHECK_FALSE(one.starts_with("abcdefghij "));
}

TEST_CASE("virtual time stands still while outside work is under way") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto& info = context_info::of(ex);
        bool arrived = false;
        auto start = info.clock().now();
        external_work outside(info);
        std::thread helper([&arrived, ex, &outside] {
            std::this_thread::yield();
            asio::post(ex, [&arrived, &outside] {
                arrived = true;
                outside.reset();
            });
        });
        co_await sleep_for(1s);
        helper.join();  // who posts to a context must be done with it before it ends
        CHECK(arrived);
        CHECK(info.clock().now() - start == 1s);
    });
}

TEST_CASE("what another thread gives to the test runs on the test's thread, in order") {
    constexpr int count = 1000;
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        external_work outside(context_info::of(ex));
        std::vector<int> seen;
        bool elsewhere = false;
        std::thread helper([&, here = std::this_thread::get_id()] {
            for (int i = 0; i < count; ++i)
                asio::dispatch(ex, [&, here, i] {
                    if (std::this_thread::get_id() != here) elsewhere = true;
                    seen.push_back(i);
                    if (i + 1 == count) outside.reset();
                });
        });
        // The test's own handlers begin and end meanwhile.
        while (seen.size() < count) co_await asio::post(ex, asio::use_awaitable);
        helper.join();
        CHECK_FALSE(elsewhere);
        CHECK(std::ranges::is_sorted(seen));
    });
}

TEST_CASE("a real test sleeps in real time, never too short") {
    testing::run_real([]() -> awaitable<void> {
        auto& time = context_info::of(co_await asio::this_coro::executor).clock();
        const auto start = time.now();
        co_await sleep_for(3ms);
        CHECK(time.now() - start >= 3ms);
    });
}
