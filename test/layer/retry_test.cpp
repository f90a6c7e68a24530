// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/core/deadline.hpp>
#include <weft/layer/phase.hpp>
#include <weft/layer/retry.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>

using namespace calls;

namespace {

/// Fails its first `failures` calls, and notes when each came.
struct flaky {
    std::vector<long long>& at;
    int failures;
    failure what = failure(failure_kind::unavailable, "down").delivered(delivery::not_sent);
    weft::clock::time_point start{};

    awaitable<std::string> serve(query q) const {
        auto passed = co_await since(start);
        at.push_back(passed);
        if (static_cast<int>(at.size()) <= failures) throw failure(what);
        const auto* number = q.ext.get<attempt_number>();
        co_return q.text + " " + std::to_string(number ? number->value : 0);
    }
};

retry_options eager(unsigned attempts) {
    return {.attempts = attempts, .backoff = {.first = 0ms}, .budget = retry_budget::unlimited()};
}

/// The times of the attempts of one call, with the default backoff, for a seed.
std::vector<long long> schedule(std::uint64_t seed) {
    std::vector<long long> at;
    in_test(
        [&]() -> awaitable<void> {
            const auto start = co_await time_now();
            auto app =
                retry({.attempts = 6, .backoff = {.first = 100ms, .max = 1s}}) >>
                flaky{at, 100,
                      failure(failure_kind::unavailable, "down").delivered(delivery::not_sent),
                      start};
            auto r = co_await attempt(app.serve(query("x")));
            CHECK_FALSE(r.has_value());
        },
        {.seed = seed});
    return at;
}

}  // namespace

TEST_CASE("a call is tried again until it succeeds, each attempt with its number") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(3)) >> flaky{at, 2};
        CHECK(co_await app.serve(query("x")) == "x 3");
        CHECK(at.size() == 3);
    });
}

TEST_CASE("when the attempts are used up the last failure comes out, and says so") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(3)) >> flaky{at, 9};
        auto r = co_await attempt(app.serve(query("x")));
        REQUIRE_FALSE(r.has_value());
        CHECK(at.size() == 3);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().message() == "down");
        CHECK(r.error().context("attempts") == "3");
        CHECK(r.error().context("stopped") == "attempts");
    });
}

TEST_CASE("the schedule of a seed is exact: full jitter under a bound that doubles") {
    // What seed 1 gives, to the millisecond; whoever changes it changes every user's traffic.
    const std::vector<long long> of_one = schedule(1);
    CHECK(of_one == schedule(1));
    CHECK(of_one != schedule(2));
    CHECK(of_one == std::vector<long long>{0, 37, 234, 480, 1246, 1381});
    // The same from the same dice.
    seeded_entropy dice(1);
    const backoff wait{.first = 100ms, .max = 1s};
    weft::clock::duration sum{};
    for (unsigned n = 1; n < 6; ++n) {
        sum += wait.delay(n, dice);
        CHECK(std::chrono::duration_cast<std::chrono::milliseconds>(sum).count() == of_one[n]);
    }
}

TEST_CASE("the waits of many seeds fill their bounds evenly") {
    const backoff wait{.first = 100ms, .max = 1s};
    CHECK(wait.bound(1) == 100ms);
    CHECK(wait.bound(2) == 200ms);
    CHECK(wait.bound(4) == 800ms);
    CHECK(wait.bound(5) == 1s);
    CHECK(wait.bound(5000) == 1s);
    seeded_entropy dice(7);
    for (unsigned n = 1; n <= 5; ++n) {
        weft::clock::duration sum{}, least = wait.bound(n), most{};
        for (int i = 0; i < 2000; ++i) {
            const auto d = wait.delay(n, dice);
            sum += d;
            least = std::min(least, d);
            most = std::max(most, d);
        }
        CHECK(most <= wait.bound(n));
        CHECK(least < wait.bound(n) / 50);
        CHECK(most > wait.bound(n) - wait.bound(n) / 50);
        CHECK(sum / 2000 > wait.bound(n) * 45 / 100);
        CHECK(sum / 2000 < wait.bound(n) * 55 / 100);
    }
}

TEST_CASE("what the failure asks for is waited for, and jitter comes on top") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        const auto start = co_await time_now();
        const failure later =
            failure(failure_kind::rejected, "busy").delivered(delivery::not_sent).after(2s);
        auto app =
            retry({.attempts = 3, .backoff = {.first = 100ms}}) >> flaky{at, 1, later, start};
        co_await app.serve(query("x"));
        REQUIRE(at.size() == 2);
        CHECK(at[1] >= 2000);
        CHECK(at[1] <= 2100);
    });
}

TEST_CASE("those who were asked to wait do not all come back at once") {
    std::vector<long long> all;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        std::vector<long long> at;
        in_test(
            [&]() -> awaitable<void> {
                const auto start = co_await time_now();
                const failure later =
                    failure(failure_kind::rejected, "busy").delivered(delivery::not_sent).after(2s);
                co_await (retry({.attempts = 2, .backoff = {.first = 100ms}}) >>
                          flaky{at, 1, later, start})
                    .serve(query("x"));
            },
            {.seed = seed});
        REQUIRE(at.size() == 2);
        CHECK(at[1] >= 2000);
        all.push_back(at[1]);
    }
    CHECK(std::ranges::max(all) - std::ranges::min(all) > 20);
}

TEST_CASE("a wait that is asked for and too long is not waited for") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        const failure tomorrow = failure(failure_kind::rejected, "busy")
                                     .delivered(delivery::not_sent)
                                     .after(std::chrono::hours(24));
        auto app = retry(eager(3)) >> flaky{at, 9, tomorrow};
        auto r = co_await attempt(app.serve(query("x")));
        REQUIRE_FALSE(r.has_value());
        CHECK(at.size() == 1);
        CHECK(r.error().context("stopped") == "retry_after");
        CHECK(r.error().retry_after() == std::chrono::hours(24));
    });
}

TEST_CASE("a deadline that comes before the next attempt ends it at once") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        const auto start = co_await time_now();
        const failure later =
            failure(failure_kind::unavailable, "busy").delivered(delivery::not_sent).after(2s);
        auto app = retry({.attempts = 5, .backoff = {.first = 0ms}}) >> flaky{at, 9, later, start};
        query q("x");
        q.ext.insert(deadline{start + 5s});
        auto r = co_await attempt(app.serve(std::move(q)));
        REQUIRE_FALSE(r.has_value());
        CHECK(at == std::vector<long long>{0, 2000, 4000});
        CHECK(co_await since(start) == 4000);
        CHECK(r.error().context("stopped") == "deadline");
    });
}

TEST_CASE("an attempt that would begin when the deadline comes is not made") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        const auto start = co_await time_now();
        const failure later =
            failure(failure_kind::unavailable, "busy").delivered(delivery::not_sent).after(2s);
        auto app = retry(eager(5)) >> flaky{at, 9, later, start};
        query q("x");
        q.ext.insert(deadline{start + 4s});
        auto r = co_await attempt(app.serve(std::move(q)));
        REQUIRE_FALSE(r.has_value());
        CHECK(at == std::vector<long long>{0, 2000});
    });
}

TEST_CASE("only what may pass is tried again, and only what was not sent unless repeatable") {
    struct row {
        failure_kind kind;
        delivery sent;
        bool asks;        // it says when to come again
        bool repeatable;  // sending twice does no harm
        bool again;
    };
    const row rows[] = {
        {failure_kind::unavailable, delivery::not_sent, false, false, true},
        {failure_kind::unavailable, delivery::unknown, false, false, false},
        {failure_kind::unavailable, delivery::processed, true, false, false},
        {failure_kind::unavailable, delivery::unknown, false, true, true},
        {failure_kind::timeout, delivery::not_sent, false, false, true},
        {failure_kind::timeout, delivery::unknown, false, true, true},
        {failure_kind::exhausted, delivery::not_sent, false, false, true},
        {failure_kind::rejected, delivery::not_sent, false, true, false},
        {failure_kind::rejected, delivery::not_sent, true, false, true},
        {failure_kind::protocol, delivery::not_sent, true, true, false},
        {failure_kind::invalid_input, delivery::not_sent, true, true, false},
        {failure_kind::authentication, delivery::not_sent, true, true, false},
        {failure_kind::internal, delivery::not_sent, true, true, false},
        {failure_kind::cancelled, delivery::not_sent, true, true, false},
    };
    for (const row& r : rows) {
        failure f = failure(r.kind, "x").delivered(r.sent);
        if (r.asks) f = std::move(f).after(1s);
        CAPTURE(f.what());
        const auto verdict = retry_transient{r.repeatable}.on_failure(1, f);
        CHECK(verdict.again == r.again);
        if (r.again) CHECK(verdict.after == f.retry_after());
    }
}

TEST_CASE("a failure that is not tried again comes out untouched") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(3)) >> flaky{at, 9, failure(failure_kind::invalid_input, "no")};
        auto r = co_await attempt(app.serve(query("x")));
        CHECK(at.size() == 1);
        CHECK(r.error().context().empty());
    });
}

TEST_CASE("a request that cannot be had twice is tried once") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(3)) >> flaky{at, 9};
        query q("x");
        q.once = true;
        auto r = co_await attempt(app.serve(std::move(q)));
        CHECK_FALSE(r.has_value());
        CHECK(at.size() == 1);
    });
}

TEST_CASE("each attempt has a fork of the request's extensions") {
    in_test([]() -> awaitable<void> {
        std::vector<std::size_t> seen;
        auto app = retry(eager(3)) >> [&](query q) -> awaitable<std::string> {
            CHECK(*q.ext.get<std::string>() == "of the request");
            seen.push_back(q.ext.all<int>().size());
            q.ext.insert(7);  // nobody else's business
            throw failure(failure_kind::unavailable, "x").delivered(delivery::not_sent);
            co_return "";
        };
        query q("x");
        q.ext.insert("of the request"s);
        auto kept = q.ext.fork();
        (void)co_await attempt(app.serve(std::move(q)));
        CHECK(seen == std::vector<std::size_t>{0, 0, 0});
        CHECK(kept.all<int>().empty());
    });
}

TEST_CASE("a request says itself how often it is tried") {
    in_test([]() -> awaitable<void> {
        for (unsigned n : {1u, 2u, 5u}) {
            std::vector<long long> at;
            auto app = retry(eager(3)) >> flaky{at, 99};
            query q("x");
            q.ext.insert(retry_attempts{n});
            (void)co_await attempt(app.serve(std::move(q)));
            CHECK(at.size() == n);
        }
    });
}

TEST_CASE("a policy may judge responses too") {
    struct until_even {
        retry_verdict on_response(const query&, const std::string& s) const {
            return {.again = s.back() % 2 != 0};
        }
    };
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(5), until_even{}) >> flaky{at, 0};
        CHECK(co_await app.serve(query("x")) == "x 2");
        // And says nothing of failures.
        at.clear();
        auto broken = retry(eager(5), until_even{}) >> flaky{at, 9};
        CHECK_FALSE((co_await attempt(broken.serve(query("x")))).has_value());
        CHECK(at.size() == 1);
    });
}

TEST_CASE("when every response is judged bad the last one is given") {
    struct never {
        retry_verdict on_response(const query&, const std::string&) const {
            return {.again = true};
        }
    };
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry(eager(3), never{}) >> flaky{at, 0};
        CHECK(co_await app.serve(query("x")) == "x 3");
    });
}

TEST_CASE("cancelling a call ends it, while it is tried and while it waits") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry({.attempts = 9, .backoff = {.first = 1h, .max = 1h}}) >> flaky{at, 99};
        std::optional<failure> seen;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(app.serve(query("x")));
                seen = r.error();
            });
            co_await sleep_for(10ms);
        });
        REQUIRE(seen);
        CHECK(seen->kind() == failure_kind::cancelled);
        CHECK(at.size() == 1);
    });
}

TEST_CASE("a budget bounds the retries of all calls together") {
    in_test([]() -> awaitable<void> {
        retry_budget budget({.ratio = 0.1, .per_second = 0, .saved = 1000});
        std::vector<long long> at;
        auto app = retry({.attempts = 5, .backoff = {.first = 0ms}, .budget = budget}) >>
                   flaky{at, 1 << 30};
        std::optional<failure> last;
        for (int i = 0; i < 1000; ++i) {
            auto r = co_await attempt(app.serve(query("x")));
            last = r.error();
        }
        CHECK(at.size() >= 1099);
        CHECK(at.size() <= 1100);
        CHECK(budget.saved() < 1.0);
        CHECK(last->context("stopped") == "budget");
    });
}

TEST_CASE("a quiet client has a few retries a second besides") {
    in_test([]() -> awaitable<void> {
        retry_budget budget({.ratio = 0, .per_second = 10});
        const auto now = co_await time_now();
        int allowed = 0;
        for (int i = 0; i < 100; ++i) allowed += budget.spend(now) ? 1 : 0;
        CHECK(allowed == 10);
        for (int i = 0; i < 100; ++i) allowed += budget.spend(now + 1s) ? 1 : 0;
        CHECK(allowed == 20);
        CHECK(retry_budget::unlimited().spend(now));
    });
}

TEST_CASE("what is saved up is bounded") {
    retry_budget budget({.ratio = 0.5, .per_second = 0, .saved = 3});
    for (int i = 0; i < 100; ++i) budget.earn();
    CHECK(budget.saved() == 3.0);
    int allowed = 0;
    for (int i = 0; i < 10; ++i) allowed += budget.spend({}) ? 1 : 0;
    CHECK(allowed == 3);
    // One call may earn more than there is room for.
    retry_budget generous({.ratio = 2, .per_second = 0, .saved = 3});
    for (int i = 0; i < 3; ++i) generous.earn();
    CHECK(generous.saved() == 3.0);
}

TEST_CASE("the waiting is left in the request's extensions") {
    in_test([]() -> awaitable<void> {
        std::vector<long long> at;
        auto app = retry({.attempts = 2, .backoff = {.first = 100ms}}) >> flaky{at, 1};
        query q("x");
        auto kept = q.ext.fork();
        co_await app.serve(std::move(q));
        REQUIRE(kept.get<phase>());
        CHECK(kept.get<phase>()->name == "backoff");
    });
}

TEST_CASE("a service without response is tried again, and a plain copyable request too") {
    in_test([]() -> awaitable<void> {
        int n = 0;
        auto app = retry(eager(3)) >> [&](int) -> awaitable<void> {
            if (++n < 3) throw failure(failure_kind::timeout, "x").delivered(delivery::not_sent);
            co_return;
        };
        co_await app.serve(1);
        CHECK(n == 3);
    });
}
