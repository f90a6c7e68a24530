// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/layer/hedge.hpp>

#include <functional>

using namespace calls;

namespace {

/// The n-th attempt takes its own time and ends in its own way; what became of each.
struct replicas {
    struct one {
        weft::clock::duration takes;
        bool well = true;
    };
    std::vector<one> plan;
    std::vector<std::string>& log;

    awaitable<std::string> serve(query q) const {
        const auto* number = q.ext.get<attempt_number>();
        const unsigned n = number ? number->value : 1;
        log.push_back("begin " + std::to_string(n));
        bool cut = false;
        try {
            co_await sleep_for(plan[n - 1].takes);
        } catch (...) {
            cut = true;
        }
        log.push_back((cut ? "cut " : "end ") + std::to_string(n));
        if (cut) throw failure(failure_kind::cancelled, "cut");
        if (!plan[n - 1].well) throw failure(failure_kind::unavailable, std::to_string(n));
        co_return std::to_string(n);
    }
};

hedge_options after(weft::clock::duration d, unsigned attempts = 2) {
    return {.after = d, .attempts = attempts, .budget = retry_budget::unlimited()};
}

using log_lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a quick call is sent once") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms)) >> replicas{{{50ms}, {1ms}}, log};
        CHECK(co_await app.serve(query("x")) == "1");
        CHECK(log == log_lines{"begin 1", "end 1"});
    });
}

TEST_CASE("a slow call is sent a second time, the first answer counts, and the other is stopped") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        const auto start = co_await time_now();
        auto app = hedge(after(100ms)) >> replicas{{{1h}, {20ms}}, log};
        CHECK(co_await app.serve(query("x")) == "2");
        CHECK(co_await since(start) <= 124);
        CHECK(log == log_lines{"begin 1", "begin 2", "end 2", "cut 1"});
    });
}

TEST_CASE("the first may still win, and there may be more than two") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms, 4)) >> replicas{{{250ms}, {1h}, {1h}, {1h}}, log};
        CHECK(co_await app.serve(query("x")) == "1");
        CHECK(log.size() == 6);
        CHECK(log[2] == "begin 3");
        CHECK(log[3] == "end 1");
    });
}

TEST_CASE("an attempt that fails does not end the call while another one runs") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms)) >> replicas{{{150ms, false}, {200ms}}, log};
        CHECK(co_await app.serve(query("x")) == "2");
    });
}

TEST_CASE("when all fail the first failure is thrown") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms)) >> replicas{{{300ms, false}, {100ms, false}}, log};
        auto r = co_await attempt(app.serve(query("x")));
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().message() == "2");  // the first to fail
    });
}

TEST_CASE("a quick failure is the call's: hedging is no retry") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms)) >> replicas{{{10ms, false}, {1ms}}, log};
        auto r = co_await attempt(app.serve(query("x")));
        CHECK_FALSE(r.has_value());
        CHECK(log == log_lines{"begin 1", "end 1"});
    });
}

TEST_CASE("a budget that is spent sends nothing twice") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge({.after = 100ms, .budget = retry_budget({.ratio = 0, .per_second = 0})}) >>
                   replicas{{{1s}, {1ms}}, log};
        CHECK(co_await app.serve(query("x")) == "1");
        CHECK(log == log_lines{"begin 1", "end 1"});
    });
}

TEST_CASE("what cannot be had twice, or should not, is sent once") {
    struct never {
        bool repeatable(const query&) const { return false; }
    };
    in_test([]() -> awaitable<void> {
        log_lines log;
        query once("x");
        once.once = true;
        auto app = hedge(after(100ms)) >> replicas{{{1s}, {1ms}}, log};
        CHECK(co_await app.serve(std::move(once)) == "1");
        auto careful = hedge(after(100ms), never{}) >> replicas{{{1s}, {1ms}}, log};
        CHECK(co_await careful.serve(query("x")) == "1");
        CHECK(log.size() == 4);
    });
}

TEST_CASE("a response that the policy thinks little of waits for a better one") {
    struct not_one {
        bool repeatable(const query&) const { return true; }
        retry_verdict on_response(const query&, const std::string& s) const {
            return {.again = s == "1"};
        }
    };
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms), not_one{}) >> replicas{{{150ms}, {200ms}}, log};
        CHECK(co_await app.serve(query("x")) == "2");
        // But it is better than a failure.
        auto poor = hedge(after(100ms), not_one{}) >> replicas{{{150ms}, {200ms, false}}, log};
        CHECK(co_await poor.serve(query("x")) == "1");
        auto failing_first =
            hedge(after(100ms), not_one{}) >> replicas{{{250ms}, {50ms, false}}, log};
        CHECK(co_await failing_first.serve(query("x")) == "1");
    });
}

TEST_CASE("cancelling the call stops all its attempts") {
    in_test([]() -> awaitable<void> {
        log_lines log;
        auto app = hedge(after(100ms)) >> replicas{{{1h}, {1h}}, log};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await app.serve(query("x")); });
            co_await sleep_for(1s);
        });
        CHECK(log.size() == 4);
        CHECK(log[2].starts_with("cut"));
        CHECK(log[3].starts_with("cut"));
    });
}

TEST_CASE("a service without response can be hedged") {
    in_test([]() -> awaitable<void> {
        int begun = 0, ended = 0;
        auto app = hedge(after(10ms)) >> [&](int) -> awaitable<void> {
            const bool first = ++begun == 1;
            if (first) co_await sleep_for(1h);
            ++ended;
        };
        co_await app.serve(1);
        CHECK(begun == 2);
        CHECK(ended == 1);
    });
}
