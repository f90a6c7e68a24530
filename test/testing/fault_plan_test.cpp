// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_world.hpp"
#include <weft/io/duplex.hpp>
#include <weft/testing/fault_plan.hpp>

#include <cstdlib>
#include <functional>

using namespace network_world;

namespace {

awaitable<void> work_of_three_kinds(event* e) {
    auto [a, b] = io::duplex(co_await asio::this_coro::executor);
    co_await sleep_for(10ms);
    co_await a.write(bytes::literal("ping"));
    std::array<char, 4> memory;
    co_await b.read(asio::buffer(memory));
    if (e) co_await e->wait();
}

std::string broken_by(std::function<void()> f) {
    try {
        f();
    } catch (const testing::fault_plan_broken& broken) {
        return broken.what();
    }
    return "kept";
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a plan disturbs each point once in each way, and counts them") {
    int runs = 0;
    const auto report = testing::fault_plan().replay([&](testing::fault_run& r) -> awaitable<void> {
        ++runs;
        event e;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await sleep_for(1s);
                e.set();
            });
            co_await r.disturb(work_of_three_kinds(&e));
        });
    });
    const auto row = [&](std::string_view what) {
        for (const auto& p : report.points)
            if (p.what == what) return p;
        return testing::fault_report::row{};
    };
    CHECK(row("stream try_write").failed == 1);
    CHECK(row("stream try_read").failed == 1);
    CHECK(row("sleep_for").failed == 0);
    // The other coroutine sleeps too: its points are the plan's as well. A try that would block
    // becomes a wait of its own.
    CHECK(row("sleep_for").delayed == 4);
    CHECK(row("stream try_read").delayed == 2);
    CHECK(row("stream try_read").cancelled == 1);
    CHECK(row("sleep_for").cancelled == 2);
    CHECK(row("event::wait").cancelled == 1);
    CHECK(report.runs == static_cast<std::size_t>(runs));
    // A round each of failures, two delays and cancellations, and a run that passes untouched.
    CHECK(report.runs == report.total() + 4);
    CHECK(report.succeeded + report.failures == report.total());
    CHECK(contains(report.text(), "sleep_for"));
}

TEST_CASE("a plan says at which point a run went wrong, and how to run that again") {
    const std::string text = broken_by([] {
        testing::fault_plan().replay([](testing::fault_run& r) -> awaitable<void> {
            co_await r.disturb([]() -> awaitable<void> {
                auto done = co_await attempt(work_of_three_kinds(nullptr));
                if (!done && done.error().code() == asio::error::connection_reset)
                    throw std::runtime_error("not what anybody expects");
            }());
        });
    });
    CHECK(contains(text, "fail at point 1 (stream try_write)"));
    CHECK(contains(text, "not what anybody expects"));
    CHECK(contains(text, "replay: WEFT_FAULT=fail:1 "));
}

TEST_CASE("a replay is one run, with the fault that the environment names and no other") {
    ::setenv("WEFT_FAULT", "delay:2", 1);  // NOLINT(concurrency-mt-unsafe): one thread
    int runs = 0;
    auto once = [&] {
        return testing::fault_plan({.delays = {1s}})
            .replay([&](testing::fault_run& r) -> awaitable<void> {
                ++runs;
                co_await r.disturb(work_of_three_kinds(nullptr));
            });
    };
    const auto report = once();
    ::unsetenv("WEFT_FAULT");  // NOLINT(concurrency-mt-unsafe)
    CHECK(runs == 1);
    CHECK(report.total() == 1);
    REQUIRE(report.points.size() == 1);
    CHECK(report.points[0].delayed == 1);
}

TEST_CASE("a plan is broken by a run that hangs, leaks, or whose next request fails") {
    CHECK(contains(broken_by([] {
                       testing::fault_plan().replay([](testing::fault_run& r) -> awaitable<void> {
                           co_await r.disturb([]() -> awaitable<void> {
                               auto done = co_await attempt(work_of_three_kinds(nullptr));
                               event never;
                               if (!done) co_await never.wait();
                           }());
                       });
                   }),
                   "deadlock"));
    CHECK(contains(broken_by([] {
                       bool well = true;
                       testing::fault_plan().replay([&](testing::fault_run& r) -> awaitable<void> {
                           well = co_await r.disturb(work_of_three_kinds(nullptr));
                           if (!well) throw std::runtime_error("the next request fails");
                       });
                   }),
                   "the next request fails"));
    CHECK(contains(broken_by([] {
                       testing::fault_plan().replay(
                           [](testing::fault_run&) -> awaitable<void> { co_return; });
                   }),
                   "never called disturb"));
}

TEST_CASE("a cancellation that nobody asked for breaks a plan") {
    const std::string text = broken_by([] {
        testing::fault_plan().replay([](testing::fault_run& r) -> awaitable<void> {
            co_await r.disturb([]() -> awaitable<void> {
                co_await sleep_for(1s);
                throw boost::system::system_error(asio::error::operation_aborted);
            }());
        });
    });
    CHECK(contains(text, "though nobody did"));
}

TEST_CASE("an operation that is held back can be cancelled, and its stream closed or aborted") {
    for (const int how : {0, 1, 2}) {
        const auto report = testing::fault_plan({.delays = {1h}})
                                .replay([&](testing::fault_run& r) -> awaitable<void> {
                                    auto [a, b] = io::duplex(co_await asio::this_coro::executor);
                                    io::stream near = std::move(a);
                                    io::stream far = std::move(b);
                                    co_await r.disturb([&]() -> awaitable<void> {
                                        std::array<char, 4> memory;
                                        auto late = [&]() -> awaitable<void> {
                                            co_await sleep_for(1s);
                                            if (how == 1) near.close();
                                            if (how == 2) near.abort();
                                        };
                                        auto read = [&]() -> awaitable<void> {
                                            auto n = co_await attempt(with_deadline(
                                                10s, near.read(asio::buffer(memory))));
                                            CHECK(!n);
                                        };
                                        co_await when_all(read(), late());
                                    }());
                                });
        CHECK(report.total() >= 10);
    }
}
