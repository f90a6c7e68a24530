// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/event.hpp>
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
        weft::result<void> outcome;
        co_await weft::shielded(5s, words("one"), outcome);
        co_await weft::shielded(5s, words("two"), outcome);
        e = nullptr;
        try {
            co_await words("three");
        } catch (...) {
            e = std::current_exception();
        }
        said.push_back(outcome_of(e));
        co_await weft::shielded(5s, words("four"), outcome);
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

TEST_CASE("what shielded work throws is its outcome, for a cancelled caller as for any other") {
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
            weft::result<void> outcome;
            co_await weft::shielded(5s, fails(), outcome);
            if (!outcome) seen = weft::to_string(outcome.error().kind());
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
        weft::result<void> outcome;
        co_await weft::shielded(2s, pause(1h), outcome);
        outcome.value();
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
    std::optional<weft::result<std::unique_ptr<int>>> v;
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
    REQUIRE(*v);
    CHECK(***v == 4);
}

TEST_CASE("work that was to give a value and fails gives its failure") {
    machine m;
    std::optional<weft::result<std::unique_ptr<int>>> v;
    run_in(m, [&]() -> awaitable<void> {
        const auto fails = []() -> awaitable<std::unique_ptr<int>> {
            co_await weft::sleep_for(1s);
            throw weft::failure(weft::failure_kind::rejected, "no");
        };
        co_await weft::shielded(5s, fails(), v);
    });
    REQUIRE(v);
    REQUIRE(!*v);
    CHECK(v->error().kind() == weft::failure_kind::rejected);
}

TEST_CASE("an outcome is set anew by each work") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        weft::result<void> outcome = weft::failure(weft::failure_kind::internal, "an older one");
        co_await weft::shielded(5s, pause(1s), outcome);
        CHECK(outcome);
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
        weft::result<void> outcome;
        [[maybe_unused]] const auto unused = weft::shielded(1s, work(), outcome);
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
                weft::result<void> outcome;
                co_await weft::shielded(1h, never.wait(), outcome);
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
                weft::result<void> outcome;
                co_await weft::shielded(5s, e.wait(), outcome);
                outcome.value();
            }
            done = true;
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(done);
}
