// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "told.hpp"
#include <weft/core/failure.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/detail/resume_mark.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/watchdog.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

/// A time that stands still until it is moved.
struct hand_clock final : weft::clock {
    [[nodiscard]] time_point now() const noexcept override { return at; }
    time_point at{1000s};
};

/// A loop in hand-made time, watched by hand: asked every 20 ms, stalled after 100 ms.
struct fixture {
    fixture() {
        info.use_virtual_time(time);
        dog.watch(loop.get_executor(), "the loop");
        turn();  // the first answer says that somebody runs it
    }
    static watchdog_options options(std::vector<told>& heard) {
        watchdog_options o;
        o.looks = watchdog_options::pace::by_hand;
        o.on_stall = [&heard](const stall& s) { heard.emplace_back(s); };
        return o;
    }
    /// 20 ms pass, and the loop runs.
    void turn() {
        time.at += 20ms;
        info.deadlines().advance_to(time.at);
        dog.look();
        loop.poll();
    }
    /// On the loop: it is held up for `d`, while the watchdog looks as ever.
    void block(weft::clock::duration d) {
        for (auto end = time.at + d; time.at < end;) {
            time.at += 20ms;
            dog.look();
        }
    }
    watchdog::loop_state state() const { return dog.loops().front(); }

    hand_clock time;
    asio::io_context loop{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{loop.get_executor()};
    context_info& info = context_info::of(loop);
    std::vector<told> heard;
    watchdog dog{options(heard)};
};

}  // namespace

TEST_CASE("a loop that runs what is ready at once is not late") {
    fixture f;
    for (int i = 0; i < 50; ++i) f.turn();
    const auto s = f.state();
    CHECK(s.name == "the loop");
    CHECK(s.alive);
    CHECK(s.lateness.count() == 50);
    CHECK(s.lateness.max() == 0ns);
    CHECK(s.stalls == 0);
    CHECK(f.heard.empty());
}

TEST_CASE("lateness below the threshold is in the histogram and told to nobody") {
    fixture f;
    asio::post(f.loop, [&] { f.block(60ms); });
    f.turn();
    f.turn();
    CHECK(f.heard.empty());
    const auto s = f.state();
    CHECK(s.lateness.max() == 60ms);
    CHECK(s.lateness.count() == 4);  // 60, 40, 20; then 0
    CHECK(s.stalls == 0);
}

TEST_CASE("a stall is told while it lasts, with the wait that the coroutine came back from") {
    fixture f;
    const unsigned line = __LINE__ + 2;
    auto careless = [&]() -> awaitable<void> {
        co_await sleep_for(5ms);
        f.block(140ms);
        REQUIRE(f.heard.size() == 1);  // not over yet
    };
    asio::co_spawn(f.loop, careless(), asio::detached);
    for (int i = 0; i < 4; ++i) f.turn();
    REQUIRE(f.heard.size() == 2);
    const told& first = f.heard[0];
    CHECK(first.loop == "the loop");
    CHECK_FALSE(first.over);
    CHECK(first.lasted == 100ms);
    CHECK(first.resumed == "sleep_for");
    CHECK(first.line == line);
    CHECK(first.resumed_ago == 100ms);
    CHECK(first.text.find("the loop has stood still for 100 ms; 100 ms ago went on: sleep_for at "
                          "watchdog_test.cpp:" +
                          std::to_string(line)) == 0);
    const told& last = f.heard[1];
    CHECK(last.over);
    CHECK(last.lasted == 140ms);
    CHECK(last.resumed == "sleep_for");
    CHECK(last.line == line);
    CHECK(f.state().stalls == 1);
    CHECK(f.state().stalled == 140ms);
}

TEST_CASE("a stall that goes on is told again when it is ten times as long") {
    fixture f;
    asio::post(f.loop, [&] {
        f.block(1500ms);
        CHECK(f.state().standing == 1500ms);
    });
    f.turn();
    CHECK(f.state().standing == 0ms);
    f.turn();
    REQUIRE(f.heard.size() == 3);
    CHECK(f.heard[0].lasted == 100ms);
    CHECK(f.heard[1].lasted == 1000ms);
    CHECK_FALSE(f.heard[1].over);
    CHECK(f.heard[2].lasted == 1500ms);
    CHECK(f.heard[2].over);
}

TEST_CASE("a handler that is not weft's is not blamed on the coroutine before it") {
    fixture f;
    auto innocent = []() -> awaitable<void> { co_await sleep_for(5ms); };
    asio::co_spawn(f.loop, innocent(), asio::detached);
    for (int i = 0; i < 3; ++i) f.turn();
    asio::post(f.loop, [&] { f.block(100ms); });
    f.turn();
    f.turn();
    REQUIRE(f.heard.size() == 2);
    CHECK(f.heard[0].resumed.empty());
    CHECK(f.heard[0].line == 0);
    CHECK(f.heard[0].text == "the loop has stood still for 100 ms");
    CHECK(f.heard[1].text == "the loop stood still for 100 ms");
}

TEST_CASE("a task that blocks as soon as it begins is known by where it was spawned") {
    fixture f;
    unsigned line = 0;
    auto parent = [&]() -> awaitable<void> {
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            line = __LINE__ + 1;
            scope.spawn([&]() -> awaitable<void> {
                f.block(140ms);
                co_return;
            });
            co_await sleep_for(1s);
        });
    };
    asio::co_spawn(f.loop, parent(), asio::detached);
    for (int i = 0; i < 60; ++i) f.turn();
    REQUIRE(f.heard.size() == 2);
    CHECK(f.heard[0].resumed == "task");
    CHECK(f.heard[0].line == line);
}

TEST_CASE("a stall that is over before the next look is told once, with who did it if known") {
    fixture f;
    f.time.at += 20ms;
    f.dog.look();  // asks
    f.time.at += 500ms;
    f.loop.poll();
    f.turn();
    REQUIRE(f.heard.size() == 1);
    CHECK(f.heard[0].over);
    CHECK(f.heard[0].lasted == 500ms);
    CHECK(f.state().stalls == 1);
}

TEST_CASE("a loop that was stopped is not stalled, and counts again once it runs") {
    fixture f;
    f.loop.stop();
    for (int i = 0; i < 100; ++i) {
        f.time.at += 20ms;
        f.dog.look();
    }
    CHECK(f.heard.empty());
    const auto before = f.state().lateness.count();
    f.loop.restart();
    for (int i = 0; i < 3; ++i) f.turn();
    CHECK(f.heard.empty());
    CHECK(f.state().lateness.max() == 0ns);
    CHECK(f.state().lateness.count() >= before + 1);
    asio::post(f.loop, [&] { f.block(100ms); });
    f.turn();
    CHECK(f.heard.size() == 1);
}

TEST_CASE("a loop that stops with a question under way is forgiven the time it was stopped") {
    fixture f;
    f.time.at += 20ms;
    f.dog.look();
    f.loop.stop();
    for (int i = 0; i < 100; ++i) {
        f.time.at += 20ms;
        f.dog.look();
    }
    f.loop.restart();
    f.dog.look();  // it is being run again, and has not come to it
    f.time.at += 20ms;
    f.loop.poll();
    CHECK(f.heard.empty());
    CHECK(f.state().lateness.max() == 20ms);
}

TEST_CASE("a loop that nobody has run yet is not stalled") {
    hand_clock time;
    asio::io_context loop;
    auto work = asio::make_work_guard(loop);
    context_info::of(loop).use_virtual_time(time);
    std::vector<told> heard;
    watchdog dog(fixture::options(heard));
    dog.watch(loop.get_executor());
    for (int i = 0; i < 100; ++i) {
        time.at += 20ms;
        dog.look();
    }
    CHECK(heard.empty());
    loop.poll();
    CHECK(dog.loops().front().lateness.count() == 0);
}

TEST_CASE("the context may go before the watchdog, and the watchdog before the context") {
    std::vector<told> heard;
    {
        watchdog dog(fixture::options(heard));
        {
            asio::io_context loop;
            dog.watch(loop.get_executor());
            dog.look();  // a question is in its queue
        }
        dog.look();
        REQUIRE(dog.loops().size() == 1);
        CHECK_FALSE(dog.loops().front().alive);
        asio::io_context another;
        dog.watch(another.get_executor(), "another");
        REQUIRE(dog.loops().size() == 1);
        CHECK(dog.loops().front().name == "another");
    }
    asio::io_context loop;
    {
        watchdog dog(fixture::options(heard));
        dog.watch(loop.get_executor());
        dog.look();
    }
    loop.run();  // the question that is left says nothing
    CHECK(heard.empty());
}

TEST_CASE("a context that is not watched keeps no marks") {
    asio::io_context loop;
    context_info& info = context_info::of(loop);
    CHECK(info.mark() == nullptr);
    CHECK(info.waits() == nullptr);
    std::vector<told> heard;
    watchdog dog(fixture::options(heard));
    dog.watch(loop.get_executor());
    CHECK(info.mark() != nullptr);
    CHECK(info.waits() != nullptr);
}

TEST_CASE("in virtual time a thread does not watch") {
    watchdog dog;
    testing::run([&]() -> awaitable<void> {
        dog.watch(co_await asio::this_coro::executor);
        co_await sleep_for(1h);
    });
    CHECK(dog.loops().empty());
}

TEST_CASE("a test's deadlock report and a watchdog share the waits") {
    std::vector<told> heard;
    watchdog dog(fixture::options(heard));
    testing::run([&]() -> awaitable<void> {
        auto here = co_await asio::this_coro::executor;
        dog.watch(here);
        context_info& info = context_info::of(here);
        const auto before = info.mark()->number();
        co_await sleep_for(1ms);
        CHECK(info.mark()->number() > before);
        CHECK(info.mark()->read()->what == std::string_view("sleep_for"));
        dog.look();
        co_await sleep_for(1ms);
    });
    CHECK(heard.empty());
}

TEST_CASE("a call is kept short, and its time is the coarse one") {
    fixture f;
    auto& mark = *f.info.mark();
    f.info.deadlines().refresh();
    mark.called("GET", "/" + std::string(100, 'x'));
    const auto last = mark.read();
    REQUIRE(last);
    CHECK(last->what == std::string_view("call"));
    CHECK(last->call == "GET /" + std::string(50, 'x'));
    CHECK(last->where.line() == 0);
    CHECK(last->at == f.time.at.time_since_epoch());
    mark.called(std::string(60, 'V'), "/");
    CHECK(mark.read()->call == std::string(55, 'V'));
    mark.called("GET", "/pay?card=4711");
    CHECK(mark.read()->call == "GET /pay");
    mark.resumed("sleep_for", std::source_location::current());
    CHECK(mark.read()->call.empty());
}

TEST_CASE("stalls and lateness are told to the observer") {
    std::vector<std::string> lines;
    hand_clock time;
    asio::io_context loop;
    auto work = asio::make_work_guard(loop);
    context_info& info = context_info::of(loop);
    info.use_virtual_time(time);
    watchdog_options o;
    o.looks = watchdog_options::pace::by_hand;
    o.observer = logfmt_observer({.minimum = severity::trace, .write = [&](std::string_view line) {
                                      lines.emplace_back(line);
                                  }});
    watchdog dog(o);
    dog.watch(loop.get_executor(), "main");
    const auto turn = [&] {
        dog.look();
        loop.poll();
        time.at += 20ms;
    };
    turn();
    asio::post(loop, [&] {
        info.mark()->called("GET", "/slow");
        time.at += 100ms;
        dog.look();
        time.at += 100ms;
    });
    turn();
    turn();
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].find("level=warn msg=\"event loop stalled\" loop=main stalled_ms=100 "
                        "call=\"GET /slow\"") == 0);
    CHECK(lines[1].find("level=warn msg=\"event loop went on\" loop=main stalled_ms=200") == 0);
    CHECK(lines[2].find("weft.event_loop.stalls") != std::string::npos);
    CHECK(lines[3].find("weft.event_loop.stalled_time") != std::string::npos);
    CHECK(lines[3].find("200") != std::string::npos);
}

// In real time, but no test sleeps: what blocks the loop waits for the watchdog to notice it.
