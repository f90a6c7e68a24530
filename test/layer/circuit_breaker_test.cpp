// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/layer/circuit_breaker.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>

using namespace calls;

namespace {

/// Does as it is told.
struct peer {
    bool& well;
    int& asked;
    weft::clock::duration takes = 0ms;
    failure_kind how = failure_kind::unavailable;

    awaitable<std::string> serve(query q) const {
        ++asked;
        if (takes > 0ms) co_await sleep_for(takes);
        if (!well) throw failure(how, "down");
        co_return q.text;
    }
};

template <class App>
awaitable<void> ask(const App& app, int n) {
    for (int i = 0; i < n; ++i) {
        auto r = co_await attempt(app.serve(query("x")));
        (void)r;
    }
}

circuit_breaker_options small() {
    return {.failure_rate = 0.5, .min_calls = 4, .window = 10s, .open_for = 5s, .probes = 2};
}

}  // namespace

TEST_CASE("it opens when too many calls of a window failed, and no sooner") {
    in_test([]() -> awaitable<void> {
        bool well = true;
        int asked = 0;
        circuit_breaker breaker(small());
        auto app = breaker >> peer{well, asked};
        co_await ask(app, 5);
        well = false;
        co_await ask(app, 4);
        CHECK(breaker.state() == circuit_state::closed);  // 4 of 9
        co_await ask(app, 1);
        CHECK(breaker.state() == circuit_state::open);  // 5 of 10
        CHECK(asked == 10);
        co_await ask(app, 100);
        CHECK(asked == 10);
    });
}

TEST_CASE("too few calls say nothing, and failures grow old") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        circuit_breaker breaker(small());
        auto app = breaker >> peer{well, asked};
        co_await ask(app, 3);
        CHECK(breaker.state() == circuit_state::closed);
        co_await sleep_for(11s);
        co_await ask(app, 3);  // the first three are forgotten
        CHECK(breaker.state() == circuit_state::closed);
        co_await sleep_for(8s);
        co_await ask(app, 1);  // and these not yet
        CHECK(breaker.state() == circuit_state::open);
    });
}

TEST_CASE("an open circuit refuses with a failure that says when to come again") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        auto app = circuit_breaker(small()) >> peer{well, asked};
        co_await ask(app, 4);
        co_await sleep_for(2s);
        auto r = co_await attempt(app.serve(query("x")));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(r.error().retry_after() == 3s);
        CHECK(r.error().context("failure_rate_percent") == "50");
        CHECK(asked == 4);
    });
}

TEST_CASE("half-open lets so many probes pass, and closes when all succeed") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        std::vector<circuit_state> changes;
        auto options = small();
        options.on_change = [&](circuit_state s) { changes.push_back(s); };
        circuit_breaker breaker(options);
        auto app = breaker >> peer{well, asked, 100ms};
        co_await ask(app, 4);
        well = true;
        co_await sleep_for(5s);
        asked = 0;
        auto all = co_await at_once(app, 10);
        CHECK(asked == 2);
        CHECK(failures(all) == 8);
        CHECK(all[9].error().kind() == failure_kind::unavailable);
        CHECK(breaker.state() == circuit_state::closed);
        CHECK(changes ==
              std::vector{circuit_state::open, circuit_state::half_open, circuit_state::closed});
        // And it has forgotten: one failure is nothing.
        well = false;
        co_await ask(app, 3);
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE("a probe that fails opens it for twice as long, up to a bound") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        auto options = small();
        options.max_open_for = 12s;
        circuit_breaker breaker(options);
        auto app = breaker >> peer{well, asked};
        co_await ask(app, 4);
        for (const auto expected : {5s, 10s, 12s, 12s}) {
            auto r = co_await attempt(app.serve(query("x")));
            CHECK(r.error().retry_after() == expected);
            co_await sleep_for(expected);
            const int before = asked;
            co_await ask(app, 3);
            CHECK(asked == before + 1);
            CHECK(breaker.state() == circuit_state::open);
        }
        // Once it has been closed, the next opening is short again.
        well = true;
        co_await sleep_for(12s);
        co_await ask(app, 2);
        CHECK(breaker.state() == circuit_state::closed);
        well = false;
        co_await ask(app, 4);
        auto r = co_await attempt(app.serve(query("x")));
        CHECK(r.error().retry_after() == 5s);
    });
}

TEST_CASE("a probe that is cancelled lets another one pass") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        circuit_breaker breaker(small());
        auto quick = breaker >> peer{well, asked};
        auto slow = breaker >> peer{well, asked, 1h};
        co_await ask(quick, 4);
        well = true;
        co_await sleep_for(5s);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 2; ++i)
                s.spawn([&]() -> awaitable<void> { co_await slow.serve(query("gone")); });
            co_await sleep_for(1s);
            CHECK_FALSE((co_await attempt(quick.serve(query("x")))).has_value());
        });
        CHECK(breaker.state() == circuit_state::half_open);
        co_await ask(quick, 2);
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE("calls that began before a change are not counted after it") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        int asked = 0;
        circuit_breaker breaker(small());
        auto quick = breaker >> peer{well, asked};
        auto slow = breaker >> peer{well, asked, 6s};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn_supervised([&]() -> awaitable<void> { co_await slow.serve(query("old")); },
                               [](const failure&, std::source_location) {});
            co_await sleep_for(1ms);
            co_await ask(quick, 4);
            CHECK(breaker.state() == circuit_state::open);
            co_await sleep_for(5500ms);
            well = true;
            co_await ask(quick, 1);
            CHECK(breaker.state() == circuit_state::half_open);
            well = false;
            co_await sleep_for(1s);  // the old one fails now
            CHECK(s.size() == 0);
            CHECK(breaker.state() == circuit_state::half_open);
        });
    });
}

TEST_CASE("a probe of an earlier try is not counted among those of the next one") {
    in_test([]() -> awaitable<void> {
        bool well = false;
        bool late_well = true;
        int asked = 0;
        circuit_breaker breaker(small());
        auto quick = breaker >> peer{well, asked};
        auto late = breaker >> peer{late_well, asked, 11s};
        co_await ask(quick, 4);
        co_await sleep_for(5s);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await late.serve(query("late")); });
            co_await sleep_for(1ms);
            co_await ask(quick, 1);  // the second probe fails: open for ten seconds
            CHECK(breaker.state() == circuit_state::open);
            co_await sleep_for(10s);
            well = true;
            co_await ask(quick, 1);  // the first of two
            CHECK(breaker.state() == circuit_state::half_open);
            co_await sleep_for(2s);  // the late one succeeds
            CHECK(s.size() == 0);
            CHECK(breaker.state() == circuit_state::half_open);
            co_await ask(quick, 1);
            CHECK(breaker.state() == circuit_state::closed);
        });
    });
}

TEST_CASE("a slow call counts as failed") {
    in_test([]() -> awaitable<void> {
        bool well = true;
        int asked = 0;
        auto options = small();
        options.slow = 200ms;
        circuit_breaker breaker(options);
        co_await ask(breaker >> peer{well, asked, 200ms}, 4);
        CHECK(breaker.state() == circuit_state::closed);
        co_await ask(breaker >> peer{well, asked, 201ms}, 4);
        CHECK(breaker.state() == circuit_state::open);
    });
}

TEST_CASE("what is the request's own fault does not open it, nor does a cancellation") {
    in_test([]() -> awaitable<void> {
        for (auto kind : {failure_kind::invalid_input, failure_kind::rejected,
                          failure_kind::authentication, failure_kind::cancelled}) {
            bool well = false;
            int asked = 0;
            circuit_breaker breaker(small());
            co_await ask(breaker >> peer{well, asked, 0ms, kind}, 50);
            CHECK(breaker.state() == circuit_state::closed);
        }
    });
}

TEST_CASE("a program may judge responses as well, and open and close it by hand") {
    struct empty_is_bad {
        bool operator()(const failure&) const { return true; }
        bool operator()(const std::string& s) const { return s.empty(); }
    };
    in_test([]() -> awaitable<void> {
        bool well = true;
        int asked = 0;
        circuit_breaker breaker(small(), empty_is_bad{});
        auto app = breaker >> peer{well, asked};
        for (int i = 0; i < 4; ++i) co_await app.serve(query(""));
        CHECK(breaker.state() == circuit_state::open);
        breaker.close();
        CHECK(co_await app.serve(query("x")) == "x");
        breaker.open(co_await time_now());
        CHECK_FALSE((co_await attempt(app.serve(query("x")))).has_value());
    });
}

TEST_CASE("threads that hammer a flapping peer leave a circuit that works") {
    std::atomic<int> n{0};
    circuit_breaker breaker({.min_calls = 5, .window = 20ms, .open_for = 1ms, .probes = 2});
    auto app = breaker >> [&](int) -> awaitable<int> {
        co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        const int k = ++n;
        if ((k / 50) % 2) throw failure(failure_kind::unavailable, "down");
        co_return k;
    };
    asio::thread_pool pool(4);
    for (int i = 0; i < 8; ++i)
        asio::co_spawn(
            asio::make_strand(pool),
            [&]() -> awaitable<void> {
                for (int k = 0; k < 500; ++k) {
                    auto r = co_await attempt(app.serve(k));
                    (void)r;
                }
            },
            asio::detached);
    pool.join();
    CHECK(n > 0);
    breaker.close();
    CHECK(breaker.state() == circuit_state::closed);
}
