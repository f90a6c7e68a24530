// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cancel_cases.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <future>
#include <thread>

// The table of docs/design section 5: each primitive, cancelled at each point. Every cell says how
// the await ends; in every cell no child is alive when the caller goes on, nothing is lost, and the
// caller's own cancellation is still there.

using namespace weft_test;

namespace {

struct cell {
    const cancel_case& c;
    machine m;
    world w;
    started s;
    bool completed = false;

    explicit cell(const cancel_case& k) : c(k) {}

    void start(awaitable<void> (*what)(world&)) {
        s.start(m.io.get_executor(), [this, what]() -> awaitable<void> {
            std::exception_ptr e;
            try {
                co_await what(w);
            } catch (...) {
                e = std::current_exception();
            }
            w.check_joined();
            if (e) std::rethrow_exception(e);
        });
    }
    void complete() {
        c.complete(w);
        completed = true;
    }
    void expect(const char* outcome, bool intact_with_value) {
        m.settle();
        CHECK(s.outcome == outcome);
        CHECK(s.cancellation_seen);
        CHECK(w.joined);
        CHECK(w.begun == w.ended);
        if (!completed) complete();
        m.settle();
        CHECK(c.intact(w, intact_with_value));
        CHECK(m.info.live().tasks == 0);
        CHECK(m.info.live().waiters == 0);
    }
    [[nodiscard]] bool value_expected(const char* outcome) const {
        return std::string_view(outcome) == "value";
    }
};

}  // namespace

TEST_CASE("cancelled before the start: nothing begins, except what is shielded") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        cell t(c);
        t.w.at_entry = [&t] { t.s.cancel(); };
        t.start(c.run);
        t.m.settle();
        if (t.value_expected(c.before)) {
            CHECK(!t.s.done());
            t.complete();
        } else {
            CHECK(t.w.begun == 0);
        }
        t.expect(c.before, t.value_expected(c.before));
    }
}

TEST_CASE("cancelled at the start: in the turn after the await") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        cell t(c);
        t.w.at_entry = [&t] { asio::post(t.m.io, [&t] { t.s.cancel(); }); };
        t.start(c.run);
        t.m.settle();
        if (t.value_expected(c.at_start)) {
            CHECK(!t.s.done());
            t.complete();
        }
        t.expect(c.at_start, t.value_expected(c.at_start));
    }
}

TEST_CASE("cancelled at completion: what has come is given, and the cancellation stays") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        cell t(c);
        t.start(c.run);
        t.m.settle();
        CHECK(!t.s.done());
        t.complete();
        t.s.cancel();
        t.expect(c.at_completion, t.value_expected(c.at_completion));
    }
}

TEST_CASE("cancelled twice: the second changes nothing and ends no join early") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        cell t(c);
        t.w.cleanup.reset();
        t.start(c.run);
        t.m.settle();
        t.s.cancel();
        t.m.settle();
        t.s.cancel();
        t.m.settle();
        t.s.cancel();
        t.m.settle();
        if (t.w.begun > 0) CHECK(!t.s.done());
        t.w.cleanup.set();
        t.m.settle();
        if (t.value_expected(c.twice)) {
            CHECK(!t.s.done());
            t.complete();
        }
        t.expect(c.twice, t.value_expected(c.twice));
    }
}

TEST_CASE("cancelled during the join: it goes on, and the caller hears of it afterwards") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        cell t(c);
        t.w.cleanup.reset();
        t.start(c.run_joining);
        t.m.settle();
        t.w.gate.set();
        t.m.advance(20ms);
        CHECK(!t.s.done());
        t.s.cancel();
        t.m.settle();
        CHECK(!t.s.done());
        t.s.cancel();
        t.m.settle();
        CHECK(!t.s.done());
        t.w.cleanup.set();
        t.m.settle();
        t.expect(c.during_join, c.run == c.run_joining);
    }
}

TEST_CASE("cancelled from another strand, on a thread pool") {
    for (const auto& c : cancel_cases) {
        CAPTURE(c.name);
        asio::thread_pool pool(2);
        auto& info = weft::context_info::of(pool);
        const auto own = asio::make_strand(pool);
        const auto other = asio::make_strand(pool);
        {
            world w;
            started s;
            std::promise<void> ended;
            s.start(own, [&]() -> awaitable<void> {
                std::exception_ptr e;
                try {
                    co_await c.run(w);
                } catch (...) {
                    e = std::current_exception();
                }
                w.check_joined();
                if (e) std::rethrow_exception(e);
            });
            while (info.live().waiters == 0) std::this_thread::yield();
            const bool value = std::string_view(c.other_strand) == "value";
            asio::post(other, [&] {
                asio::dispatch(own, [&] {
                    s.cancel();
                    if (value) asio::post(other, [&] { c.complete(w); });
                });
            });
            pool.join();
            CHECK(s.outcome == c.other_strand);
            CHECK(s.cancellation_seen);
            CHECK(w.joined);
            CHECK(w.begun == w.ended);
            if (!value) c.complete(w);
            CHECK(c.intact(w, value));
        }
        CHECK(info.live().tasks == 0);
        CHECK(info.live().waiters == 0);
    }
}
