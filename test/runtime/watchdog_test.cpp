// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
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
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
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

/// What was told, with its text.
struct told {
    explicit told(const stall& s)
        : loop(s.loop),
          over(s.over),
          lasted(s.lasted),
          resumed(s.resumed),
          line(s.where.line()),
          call(s.call),
          resumed_ago(s.resumed_ago),
          thread(s.thread),
          activity(s.activity),
          system_call(s.system_call),
          stack(s.stack.begin(), s.stack.end()),
          text(to_string(s)) {}
    std::string loop;
    bool over;
    weft::clock::duration lasted;
    std::string resumed;
    unsigned line;
    std::string call;
    weft::clock::duration resumed_ago;
    std::int64_t thread;
    thread_activity activity;
    std::string system_call;
    std::vector<std::string> stack;
    std::string text;
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

namespace {

/// What blocks a loop until the watchdog has said so.
class gate {
  public:
    void open(const stall& s) {
        const std::lock_guard lock(mutex_);
        all_.emplace_back(s);
        changed_.notify_all();
    }
    /// Blocks the thread until a stall of `loop` was told while it stood.
    void block_until_noticed(const std::string& loop) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return find(loop, false) != nullptr; });
    }
    void wait_until_over(const std::string& loop) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return find(loop, true) != nullptr; });
    }
    told get(const std::string& loop, bool over) {
        const std::lock_guard lock(mutex_);
        const told* t = find(loop, over);
        REQUIRE(t != nullptr);
        return *t;
    }

  private:
    const told* find(const std::string& loop, bool over) const {
        for (const told& t : all_)
            if (t.loop == loop && t.over == over) return &t;
        return nullptr;
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<told> all_;
};

watchdog_options quick(gate& g) {
    watchdog_options o;
    o.threshold = 4ms;
    o.interval = 2ms;
    o.summary = 0ms;
    o.on_stall = [&g](const stall& s) { g.open(s); };
    return o;
}

/// Returns once the watchdog has had an answer of the loop.
awaitable<void> known(watchdog& dog, std::size_t loop = 0) {
    while (dog.loops().at(loop).lateness.count() == 0) co_await sleep_for(1ms);
}

}  // namespace

namespace watched_test {

[[gnu::noinline]] void function_that_blocks(gate& g) {
    g.block_until_noticed("main");
    asm volatile("");  // no tail call: it stays on the stack
}

awaitable<void> coroutine_that_blocks(gate& g) {
    co_await sleep_for(1ms);
    function_that_blocks(g);
}

}  // namespace watched_test

TEST_CASE("weft::run: a thread notices a blocked loop while it blocks, and sees its stack") {
    gate g;
    auto o = quick(g);
    o.stack_signal = SIGRTMIN + 7;
    watchdog dog(o);
    CHECK(weft::run([&]() -> awaitable<void> {
              dog.watch(co_await asio::this_coro::executor, "main");
              co_await known(dog);
              co_await watched_test::coroutine_that_blocks(g);
              co_await sleep_for(5ms);
          }) == 0);
    const told t = g.get("main", false);
    CHECK(t.lasted >= 4ms);
    CHECK(t.resumed == "sleep_for");
    CHECK(t.thread != 0);
    CHECK((t.activity == thread_activity::waits || t.activity == thread_activity::starved ||
           t.activity == thread_activity::computes));
    REQUIRE_FALSE(t.stack.empty());
    std::string all;
    for (const auto& frame : t.stack) all += frame + "\n";
    CAPTURE(all);
    const auto function = all.find("watched_test::function_that_blocks");
    const auto coroutine = all.find("watched_test::coroutine_that_blocks");
    CHECK(function != all.npos);
    CHECK(coroutine != all.npos);
    CHECK(function < coroutine);
    g.wait_until_over("main");
    CHECK(g.get("main", true).lasted >= 4ms);
}

TEST_CASE("weft::runtime: the core that is blocked is named, and the others are not") {
    gate g;
    weft::runtime cores{{.threads = 3}};
    watchdog_options o = quick(g);
    o.threshold = 200ms;  // so far that a busy machine does not blame another core
    o.interval = 5ms;
    watchdog dog(o);
    dog.watch(cores);
    CHECK(cores.run([&]() -> awaitable<void> {
        for (std::size_t i = 0; i < 3; ++i) co_await known(dog, i);
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            auto blocks = [](gate& gate_of) -> awaitable<void> {
                gate_of.block_until_noticed("core 2");
                co_return;
            };
            scope.spawn_on(cores.cores()[2], blocks(g));
            while (dog.loops()[2].stalls == 0) co_await sleep_for(1ms);
        });
    }) == 0);
    const told t = g.get("core 2", false);
    CHECK(t.resumed == "task");
}

TEST_CASE("a foreign io_context is watched, and so is a pool whose threads are all busy") {
    gate g;
    watchdog dog(quick(g));
    {
        asio::io_context loop;
        auto work = asio::make_work_guard(loop);
        dog.watch(loop.get_executor(), "foreign");
        std::thread runs([&] { loop.run(); });
        while (dog.loops().front().lateness.count() == 0) std::this_thread::yield();
        asio::post(loop, [&] {
            g.block_until_noticed("foreign");
            work.reset();
        });
        runs.join();
    }
    CHECK(g.get("foreign", false).resumed.empty());
    {
        asio::thread_pool pool(2);
        dog.watch(pool.get_executor(), "pool");
        while (dog.loops().back().lateness.count() == 0) std::this_thread::yield();
        for (int i = 0; i < 2; ++i) asio::post(pool, [&] { g.block_until_noticed("pool"); });
        pool.join();
    }
    CHECK(g.get("pool", false).thread != 0);
}

TEST_CASE("coroutines of many threads leave their marks, and a reader never sees half of one") {
    asio::thread_pool pool(4);
    context_info& info = context_info::of(pool);
    auto& mark = info.keep_mark();
    std::atomic<int> left{4};
    const auto here = std::source_location::current();
    for (int i = 0; i < 4; ++i)
        asio::post(pool, [&, i] {
            for (int n = 0; n < 20'000; ++n) {
                if ((n + i) % 2 == 0)
                    mark.resumed("one", here);
                else
                    mark.called("TWO", "/two");
            }
            --left;
        });
    std::size_t seen = 0;
    while (left != 0) {
        const auto last = mark.read();
        if (!last) continue;
        ++seen;
        const std::string_view what = last->what;
        if (what == "one")
            REQUIRE((last->call.empty() && last->where.line() == here.line()));
        else
            REQUIRE((what == "call" && last->call == "TWO /two" && last->where.line() == 0));
    }
    pool.join();
    CHECK(mark.number() > 0);
    CHECK(mark.read().has_value());
    CAPTURE(seen);
}

TEST_CASE("a signal that is in use is refused, and given back afterwards") {
    watchdog_options o;
    o.looks = watchdog_options::pace::by_hand;
    o.stack_signal = SIGRTMIN + 8;
    {
        const watchdog first(o);
        std::optional<failure> refused;
        try {
            const watchdog second(o);
        } catch (const failure& f) {
            refused = f;
        }
        REQUIRE(refused);
        CHECK(refused->kind() == failure_kind::invalid_input);
    }
    struct sigaction now{};
    ::sigaction(SIGRTMIN + 8, nullptr, &now);
    CHECK((now.sa_handler == SIG_DFL));
    const watchdog again(o);
    o.stack_signal = 4711;
    CHECK_THROWS_AS(watchdog{o}, failure);
}
