// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace weft_test;

namespace {

awaitable<void> pause(weft::clock::duration d) { co_await weft::sleep_for(d); }

}  // namespace

TEST_CASE("last words: a cancelled coroutine awaits what is shielded, and nothing else") {
    machine m;
    started s;
    std::vector<std::string> said;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        std::exception_ptr e;
        try {
            co_await pause(1h);
        } catch (...) {
            e = std::current_exception();
        }
        said.push_back(outcome_of(e));
        const auto words = [&](const char* w) -> awaitable<void> {
            co_await weft::sleep_for(1s);
            said.emplace_back(w);
        };
        co_await weft::shielded(5s, words("one"));
        co_await weft::shielded(5s, words("two"));
        e = nullptr;
        try {
            co_await words("three");
        } catch (...) {
            e = std::current_exception();
        }
        said.push_back(outcome_of(e));
        co_await weft::shielded(5s, words("four"));
        co_await pause(1s);
        said.emplace_back("not reached");
    });
    m.settle();
    s.cancel();
    m.advance(1h);
    CHECK(said == std::vector<std::string>{"aborted", "one", "two", "aborted", "four"});
    CHECK(s.outcome == "aborted");
    CHECK(m.info.live().tasks == 0);
}

TEST_CASE("what shielded work throws is thrown, to a cancelled caller as to any other") {
    machine m;
    for (const bool cancel : {false, true}) {
        CAPTURE(cancel);
        started s;
        std::string seen;
        s.start(m.io.get_executor(), [&]() -> awaitable<void> {
            if (cancel) s.cancel();
            const auto fails = []() -> awaitable<void> {
                co_await weft::sleep_for(1s);
                throw weft::failure(weft::failure_kind::rejected, "no");
            };
            std::exception_ptr e;
            try {
                co_await weft::shielded(5s, fails());
            } catch (...) {
                e = std::current_exception();
            }
            seen = outcome_of(e);
        });
        m.advance(10s);
        CHECK(seen == "rejected");
        CHECK(s.outcome == "value");
        CHECK(s.cancellation_seen == cancel);
    }
}

TEST_CASE("for at most the limit") {
    machine m;
    started s;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        s.cancel();
        co_await weft::shielded(2s, pause(1h));
    });
    const auto begin = m.clock.now();
    while (!s.done()) m.advance(4ms);
    CHECK(s.outcome == "timeout");
    CHECK(m.clock.now() - begin >= 2s);
    CHECK(m.clock.now() - begin <= 2s + 2 * weft::deadlines::tick);
}

TEST_CASE("a value is put where it is wanted") {
    machine m;
    started s;
    std::optional<std::unique_ptr<int>> v;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        s.cancel();
        const auto gives = []() -> awaitable<std::unique_ptr<int>> {
            co_await weft::sleep_for(1s);
            co_return std::make_unique<int>(4);
        };
        co_await weft::shielded(5s, gives(), v);
    });
    m.advance(5s);
    REQUIRE(v);
    CHECK(**v == 4);
}

TEST_CASE("shielded work is an awaitable too, for who is not cancelled") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        awaitable<void> stored = weft::shielded(5s, pause(1s));
        co_await std::move(stored);
        awaitable<void> racer = weft::shielded(5s, pause(2s));
        const auto begin = m.clock.now();
        const auto r = co_await weft::when_any(pause(1s), std::move(racer));
        CHECK(r.index == 0);
        CHECK(m.clock.now() - begin == 2s);  // the loser could not be stopped
    });
}

TEST_CASE("work that is never awaited never runs") {
    machine m;
    bool began = false;
    const auto work = [&]() -> awaitable<void> {
        began = true;
        co_return;
    };
    {
        [[maybe_unused]] const auto unused = weft::shielded(1s, work());
    }
    m.settle();
    CHECK(!began);
}

TEST_CASE("a context that ends during shielded work destroys it") {
    auto watched = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = watched;
    {
        machine m;
        asio::co_spawn(
            m.io,
            [kept = std::move(watched)]() -> awaitable<void> {
                weft::event never;
                co_await weft::shielded(1h, never.wait());
            },
            [](std::exception_ptr) {});
        m.settle();
        CHECK(!alive.expired());
    }
    CHECK(alive.expired());
}

TEST_CASE("on a thread pool without a strand") {
    asio::thread_pool pool(2);
    bool done = false;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            for (int i = 0; i < 100; ++i) {
                weft::event e;
                e.set();
                co_await weft::shielded(5s, e.wait());
            }
            done = true;
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(done);
}
