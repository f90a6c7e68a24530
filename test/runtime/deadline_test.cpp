// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

using namespace weft_test;

namespace {

awaitable<std::unique_ptr<int>> after(weft::clock::duration d, int v) {
    co_await weft::sleep_for(d);
    co_return std::make_unique<int>(v);
}
awaitable<void> pause(weft::clock::duration d) { co_await weft::sleep_for(d); }

/// The failure that `work` throws.
template <class T>
awaitable<weft::failure> failure_of(awaitable<T> work) {
    std::exception_ptr e;
    try {
        (void)co_await std::move(work);
    } catch (...) {
        e = std::current_exception();
    }
    REQUIRE(e);
    co_return weft::failure::from(e);
}

}  // namespace

TEST_CASE("with_deadline passes the value on, and nothing of the limit is left") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto v = co_await weft::with_deadline(5s, after(4s, 7));
        CHECK(*v == 7);
        co_await weft::with_deadline(5s, pause(1s));
        co_await pause(1h);  // no late strike
        CHECK(m.info.live().tasks == 0);
    });
}

TEST_CASE("with_deadline throws a timeout that names the limit and the place, never early") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto begin = m.clock.now();
        const weft::failure f = co_await failure_of(weft::with_deadline(30s, after(1h, 1)));
        const auto took = m.clock.now() - begin;
        CHECK(f.kind() == weft::failure_kind::timeout);
        CHECK(std::string(f.message()) == "time limit of 30 s ran out");
        CHECK(std::string(f.where().file_name()).find("deadline_test") != std::string::npos);
        CHECK(took >= 30s);
        CHECK(took <= 30s + weft::deadlines::tick);
        // The caller is not cancelled.
        co_await pause(1s);
    });
}

TEST_CASE("with_deadline writes limits as people do") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const struct {
            weft::clock::duration limit;
            const char* text;
        } rows[] = {{2s, "2 s"},
                    {1500ms, "1500 ms"},
                    {20ms, "20 ms"},
                    {1500us, "1.5 ms"},
                    {300us, "300 us"}};
        for (const auto& row : rows) {
            const weft::failure f = co_await failure_of(weft::with_deadline(row.limit, pause(1h)));
            CHECK(std::string(f.message()) ==
                  std::string("time limit of ") + row.text + " ran out");
        }
    });
}

TEST_CASE("a limit of nothing is a timeout at once, and the work does not begin") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        bool began = false;
        const auto work = [&]() -> awaitable<void> {
            began = true;
            co_return;
        };
        CHECK((co_await failure_of(weft::with_deadline(0s, work()))).kind() ==
              weft::failure_kind::timeout);
        CHECK((co_await failure_of(weft::with_deadline(-1s, work()))).kind() ==
              weft::failure_kind::timeout);
        CHECK((co_await failure_of(weft::with_deadline(m.clock.now() - 1s, work()))).kind() ==
              weft::failure_kind::timeout);
        CHECK((co_await failure_of(weft::with_deadline(weft::clock::time_point::min(), work())))
                  .kind() == weft::failure_kind::timeout);
        CHECK(!began);
    });
}

TEST_CASE("a limit at the end of time is none") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        co_await weft::with_deadline(weft::clock::duration::max(), pause(1h));
        co_await weft::with_deadline(weft::clock::time_point::max(), pause(1h));
    });
}

TEST_CASE("until a point in time") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto when = m.clock.now() + 10s;
        const auto v = co_await weft::with_deadline(when, after(9s, 1));
        CHECK(*v == 1);
        CHECK((co_await failure_of(weft::with_deadline(when, pause(2s)))).kind() ==
              weft::failure_kind::timeout);
        CHECK(m.clock.now() >= when);
        CHECK(m.clock.now() <= when + weft::deadlines::tick);
    });
}

TEST_CASE("what the work throws by itself passes through") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto fails = []() -> awaitable<int> {
            co_await weft::sleep_for(1ms);
            throw std::runtime_error("mine");
        };
        std::exception_ptr e;
        try {
            co_await weft::with_deadline(1s, fails());
        } catch (...) {
            e = std::current_exception();
        }
        CHECK(outcome_of(e) == "mine");
    });
}

TEST_CASE("what the work throws because of the limit is the timeout's cause") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto work = []() -> awaitable<void> {
            try {
                co_await weft::sleep_for(1h);
            } catch (...) {
            }
            throw weft::failure(weft::failure_kind::protocol, "half a message");
        };
        const weft::failure f = co_await failure_of(weft::with_deadline(1s, work()));
        CHECK(f.kind() == weft::failure_kind::timeout);
        REQUIRE(f.cause());
        CHECK(f.cause()->kind() == weft::failure_kind::protocol);
    });
}

TEST_CASE("a value that comes in spite of the limit is given") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        const auto stubborn = []() -> awaitable<int> {
            try {
                co_await weft::sleep_for(1h);
            } catch (...) {
            }
            co_return 3;
        };
        CHECK(co_await weft::with_deadline(1s, stubborn()) == 3);
        co_await pause(1s);
    });
}

TEST_CASE("nested limits: the one that strikes is the one that is named") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto inner_first = weft::with_deadline(5s, weft::with_deadline(1s, pause(1h)));
        CHECK((co_await failure_of(std::move(inner_first))).message() ==
              "time limit of 1 s ran out");
        auto outer_first = weft::with_deadline(1s, weft::with_deadline(5s, pause(1h)));
        CHECK((co_await failure_of(std::move(outer_first))).message() ==
              "time limit of 1 s ran out");
        co_await pause(10s);
    });
}

TEST_CASE("the caller's cancellation is no timeout, even when the limit strikes as well") {
    machine m;
    weft::event cleanup;
    started s;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        const auto slow_to_stop = [&]() -> awaitable<void> {
            std::exception_ptr e;
            try {
                co_await weft::sleep_for(1h);
            } catch (...) {
                e = std::current_exception();
            }
            co_await asio::this_coro::reset_cancellation_state();
            co_await cleanup.wait();
            std::rethrow_exception(e);
        };
        co_await weft::with_deadline(1s, slow_to_stop());
    });
    m.settle();
    s.cancel();
    m.advance(10s);
    CHECK(!s.done());
    cleanup.set();
    m.settle();
    CHECK(s.outcome == "aborted");
    CHECK(s.cancellation_seen);
}

TEST_CASE("in real time, on a foreign thread pool") {
    asio::thread_pool pool(2);
    std::string outcome;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            std::exception_ptr e;
            weft::event never;
            try {
                co_await weft::with_deadline(5ms, never.wait());
            } catch (...) {
                e = std::current_exception();
            }
            outcome = outcome_of(e);
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(outcome == "timeout");
}
