// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/core/deadline.hpp>
#include <weft/layer/load_shed.hpp>

using namespace calls;

namespace {

struct takes {
    weft::clock::duration time;
    awaitable<std::string> serve(query q) const {
        co_await sleep_for(time);
        co_return q.text;
    }
};

/// A machine with so many seats: calls in excess of them take the longer.
struct machine {
    int seats;
    int& inside;
    int& most;
    awaitable<std::string> serve(query q) const {
        most = std::max(most, ++inside);
        co_await sleep_for(50ms * std::max(inside, seats) / seats);
        --inside;
        co_return q.text;
    }
};

}  // namespace

TEST_CASE("what is above the limit is rejected at once, and says so") {
    in_test([]() -> awaitable<void> {
        load_shed shed({.target = 100ms, .initial = 3, .min = 1});
        auto app = shed >> takes{50ms};
        auto all = co_await at_once(app, 10);
        CHECK(failures(all) == 7);
        const failure& f = all[9].error();
        CHECK(f.kind() == failure_kind::rejected);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(f.context("limit") == "3");
        CHECK(f.context("target_ms") == "100");
        CHECK(shed.in_flight() == 0);
    });
}

TEST_CASE("quick calls raise the limit, but only when it is in use") {
    in_test([]() -> awaitable<void> {
        load_shed shed({.target = 100ms, .initial = 10, .min = 1, .max = 14});
        auto app = shed >> takes{10ms};
        for (int i = 0; i < 100; ++i) (void)co_await at_once(app, 1);
        CHECK(shed.limit() == 10);
        (void)co_await at_once(app, 10);
        CHECK(shed.limit() >= 10);
        for (int i = 0; i < 100; ++i) (void)co_await at_once(app, 20);
        CHECK(shed.limit() == 14);
    });
}

TEST_CASE("slow calls cut the limit, once per target, and never below the least") {
    in_test([]() -> awaitable<void> {
        load_shed shed({.target = 100ms, .initial = 100, .min = 50, .backoff = 0.9});
        auto app = shed >> takes{150ms};
        (void)co_await at_once(app, 60);
        CHECK(shed.limit() == 90);  // sixty slow calls, one cut
        (void)co_await at_once(app, 60);
        CHECK(shed.limit() == 81);
        for (int i = 0; i < 20; ++i) (void)co_await at_once(app, 60);
        CHECK(shed.limit() == 50);
    });
}

TEST_CASE(
    "calls that fail with timeout or exhausted cut it too; other failures and cancellations do "
    "not") {
    in_test([]() -> awaitable<void> {
        for (auto kind : {failure_kind::timeout, failure_kind::exhausted,
                          failure_kind::invalid_input, failure_kind::cancelled}) {
            load_shed shed({.target = 100ms, .initial = 100});
            auto app = shed >> [kind](query) -> awaitable<std::string> {
                throw failure(kind, "x");
                co_return "";
            };
            (void)co_await attempt(app.serve(query("x")));
            const bool overload = kind == failure_kind::timeout || kind == failure_kind::exhausted;
            CHECK(shed.limit() == (overload ? 90u : 100u));
        }
    });
}

TEST_CASE("under overload it settles where calls are about as fast as they should be") {
    in_test([]() -> awaitable<void> {
        int inside = 0, most = 0;
        load_shed shed({.target = 100ms, .initial = 200, .min = 2});
        auto app = shed >> machine{10, inside, most};
        for (int i = 0; i < 60; ++i) (void)co_await at_once(app, 300);
        // Twenty at once take the hundred milliseconds.
        CHECK(shed.limit() >= 14);
        CHECK(shed.limit() <= 30);
    });
}

TEST_CASE("a request whose deadline has passed is not begun") {
    in_test([]() -> awaitable<void> {
        int asked = 0;
        auto app = load_shed() >> [&](query q) -> awaitable<std::string> {
            ++asked;
            co_return q.text;
        };
        query late("x");
        late.ext.insert(deadline{co_await time_now()});
        auto r = co_await attempt(app.serve(std::move(late)));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(asked == 0);
    });
}
