// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The watchdog's own thread, over loops that really run. What it makes of what it sees is tested by
// hand in watchdog_test.cpp.

#include "told.hpp"
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/resume_mark.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/watchdog.hpp>

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
