// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The laws that do not depend on what is served. A vehicle V says what a request and an answer are:
//   V::req, V::res, V::service    any_service<req, res>
//   V::from(f)                    a service that answers f(text); f gives an awaitable text
//   V::call(app, text)            calls it, and gives the text of the answer
//   V::ask(app, text)             the same without the answer; awaits nothing after the call
//   V::make(executor)             some request

#include <weft/core/attempt.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/counters.hpp>
#include <weft/testing/layer_suite.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

struct layer_law_broken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void expect(bool holds, std::string_view what,
                   std::source_location where = std::source_location::current()) {
    if (holds) return;
    throw layer_law_broken(std::string(where.file_name()) + ":" + std::to_string(where.line()) +
                           ": " + std::string(what));
}

template <class V>
struct common_layer_laws {
    using subject = layer_subject<typename V::req, typename V::res>;
    using service = typename V::service;
    using law = layer_law<typename V::req, typename V::res>;

    static service echo() {
        return V::from([](std::string text) -> awaitable<std::string> { co_return text + "!"; });
    }

    /// Runs a coroutine in virtual time.
    template <class Body>
    static void in_test(Body body, run_options options = {}) {
        testing::run([&]() -> awaitable<void> { co_await body(); }, options);
    }

    static awaitable<void> expect_works(const service& app, std::string what = "hello") {
        const std::string answer = co_await V::call(app, what);
        expect(answer == what + "!", "the service's answer, got: " + answer);
    }

    static void answers(const subject& s) {
        const service app = s.alone(echo());
        in_test([&]() -> awaitable<void> {
            for (int i = 0; i < 5; ++i) co_await expect_works(app, "n" + std::to_string(i));
        });
    }

    static void composes_with_itself(const subject& s) {
        const service app = s.twice(echo());
        in_test([&]() -> awaitable<void> { co_await expect_works(app); });
    }

    static void copies(const subject& s) {
        const service app = s.copied(echo());
        in_test([&]() -> awaitable<void> { co_await expect_works(app); });
    }

    static void keeps_the_order(const subject& s) {
        auto log = std::make_shared<std::string>();
        const service app = s.to_the_left(echo(), log);
        in_test([&]() -> awaitable<void> { co_await expect_works(app); });
        expect(*log == "abBA", "the outer layer runs first and ends last, got: " + *log);
    }

    static void reassociates(const subject& s) {
        auto left = std::make_shared<std::string>();
        auto right = std::make_shared<std::string>();
        const service one = s.to_the_left(echo(), left);
        const service other = s.to_the_right(echo(), right);
        in_test([&]() -> awaitable<void> {
            co_await expect_works(one);
            co_await expect_works(other);
        });
        expect(*left == *right, "(a >> b) >> s is a >> (b >> s)");
    }

    static void optional(const subject& s) {
        int calls = 0;
        const service counted = V::from([&](std::string text) -> awaitable<std::string> {
            ++calls;
            co_return text + "!";
        });
        const service with = s.enabled(counted);
        const service without = s.disabled(counted);
        in_test([&]() -> awaitable<void> {
            co_await expect_works(with);
            co_await expect_works(without);
        });
        expect(calls == 2, "with and without the layer the service is called");
    }

    static void begins_when_awaited(const subject& s) {
        int calls = 0;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            ++calls;
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            auto executor = co_await boost::asio::this_coro::executor;
            for (int i = 0; i < 100; ++i) {
                awaitable<typename V::res> dropped = app.serve(V::make(executor));
                static_cast<void>(dropped);
            }
            expect(calls == 0, "a call that is not awaited does not begin");
            co_await expect_works(app);
        });
        expect(calls == 1, "and costs nobody his turn");
    }

    static void calls_once(const subject& s) {
        if (!s.options.calls_once) return;
        int calls = 0;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            ++calls;
            co_await sleep_for(std::chrono::milliseconds(1));
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            for (int i = 0; i < 3; ++i) co_await expect_works(app);
        });
        expect(calls == 3, "one call of the service for each call");
    }

    static void passes_failures(const subject& s) {
        if (!s.options.passes_failures) return;
        for (const failure_kind kind :
             {failure_kind::unavailable, failure_kind::timeout, failure_kind::rejected,
              failure_kind::authentication, failure_kind::protocol, failure_kind::invalid_input,
              failure_kind::exhausted, failure_kind::internal}) {
            const service app = s.alone(V::from([kind](std::string text) -> awaitable<std::string> {
                if (!text.empty())
                    throw failure(kind, "as it was made").delivered(delivery::processed);
                co_return text;
            }));
            in_test([&]() -> awaitable<void> {
                auto r = co_await attempt(V::call(app, "x"));
                expect(!r, "the failure comes out");
                expect(r.error().kind() == kind, "with its kind: " + std::string(r.error().what()));
            });
        }
    }

    static void survives_failures(const subject& s) {
        bool well = false;
        int thrown = 0;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            if (!well && ++thrown % 2)
                throw failure(failure_kind::invalid_input, "no").delivered(delivery::processed);
            if (!well) throw std::runtime_error("odd");
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            for (int i = 0; i < 10; ++i) {
                auto r = co_await attempt(V::call(app, "x"));
                static_cast<void>(r);
            }
            expect(thrown > 0, "the service was called");
            well = true;
            // A breaker may have opened: time heals it.
            co_await sleep_for(std::chrono::hours(24));
            co_await expect_works(app);
        });
    }

    static void keeps_cancellation(const subject& s) {
        int begun = 0, cut = 0;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            ++begun;
            std::exception_ptr thrown;
            try {
                co_await sleep_for(std::chrono::hours(1));
            } catch (...) {
                thrown = std::current_exception();
            }
            if (thrown) {
                ++cut;
                std::rethrow_exception(thrown);
            }
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            std::optional<failure> seen;
            bool answered = false;
            co_await with_scope([&](task_scope& scope) -> awaitable<void> {
                scope.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(V::ask(app, "x"));
                    answered = r.has_value();
                    if (!r) seen = r.error();
                });
                co_await sleep_for(std::chrono::milliseconds(10));
            });
            expect(begun == 1 && cut == 1, "the service is cancelled with its call");
            expect(!answered, "a cancelled call has no answer");
            expect(seen && seen->kind() == failure_kind::cancelled,
                   "a cancellation comes out as one, not as " +
                       std::string(seen ? seen->what() : "nothing"));
        });
    }

    static void survives_cancellation(const subject& s) {
        bool stuck = true;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            if (stuck) co_await sleep_for(std::chrono::hours(1));
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            for (int round = 0; round < 30; ++round)
                co_await with_scope([&](task_scope& scope) -> awaitable<void> {
                    for (int i = 0; i < s.options.at_once; ++i)
                        scope.spawn([&]() -> awaitable<void> { co_await V::call(app, "x"); });
                    co_await sleep_for(std::chrono::microseconds(round * 100));
                });
            stuck = false;
            // What a rate limit counted comes back with time.
            co_await sleep_for(std::chrono::hours(24));
            co_await expect_works(app);
        });
    }

    /// Calls that end in another order than they began.
    static awaitable<void> many(const service& app, int n) {
        std::vector<std::string> got(static_cast<std::size_t>(n));
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            for (int i = 0; i < n; ++i)
                scope.spawn([&, i]() -> awaitable<void> {
                    got[static_cast<std::size_t>(i)] = co_await V::call(app, std::to_string(n - i));
                });
            while (scope.size() > 0) co_await sleep_for(std::chrono::milliseconds(1));
        });
        for (int i = 0; i < n; ++i)
            expect(got[static_cast<std::size_t>(i)] == std::to_string(n - i) + "!",
                   "each call has its own answer");
    }
    static service sleepy() {
        return V::from([](std::string text) -> awaitable<std::string> {
            co_await sleep_for(std::chrono::milliseconds(std::stoi(text)));
            co_return text + "!";
        });
    }

    static void re_entrant(const subject& s) {
        const service app = s.alone(sleepy());
        in_test([&]() -> awaitable<void> { co_await many(app, s.options.at_once); });
    }

    static void any_order(const subject& s) {
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            const service app = s.alone(sleepy());
            in_test([&]() -> awaitable<void> { co_await many(app, s.options.at_once); },
                    {.seed = seed, .shuffle = true});
        }
    }

    static void calls_itself(const subject& s) {
        service app;
        int calls = 0;
        app = s.alone(V::from([&app, &calls](std::string text) -> awaitable<std::string> {
            if (++calls > 50) throw failure(failure_kind::internal, "called without end");
            if (text.size() < 3) {
                const std::string inner = co_await V::call(app, text + "x");
                co_return inner.substr(0, inner.size() - 2) + "!";
            }
            co_return text + "!";
        }));
        in_test([&]() -> awaitable<void> {
            const std::string answer = co_await V::call(app, "x");
            expect(answer == "x!", "a service may call itself through the layer, got: " + answer);
        });
    }

    static void from_threads(const subject& s) {
        const service app = s.alone(echo());
        std::atomic<int> right{0};
        const int each = 50;
        const int lanes = std::min(s.options.at_once, 8);
        boost::asio::thread_pool pool(4);
        for (int lane = 0; lane < lanes; ++lane)
            boost::asio::co_spawn(
                boost::asio::make_strand(pool),
                [&app, &right, lane]() -> awaitable<void> {
                    for (int i = 0; i < each; ++i) {
                        const std::string text = std::to_string(lane) + "." + std::to_string(i);
                        auto r = co_await attempt(V::call(app, text));
                        if (r && *r == text + "!") ++right;
                    }
                },
                boost::asio::detached);
        pool.join();
        expect(right == each * lanes,
               "right answers of calls from four threads: " + std::to_string(right.load()));
    }

    static void destroyed(const subject& s) {
        bool stuck = true;
        const service app = s.alone(V::from([&](std::string text) -> awaitable<std::string> {
            if (stuck) co_await sleep_for(std::chrono::hours(1));
            co_return text + "!";
        }));
        for (int round = 0; round < 5; ++round) {
            boost::asio::io_context context(1);
            for (int i = 0; i < 20; ++i)
                boost::asio::co_spawn(context, V::call(app, "x"), [](std::exception_ptr, auto) {});
            context.poll();
        }
        stuck = false;
        boost::asio::io_context context(1);
        std::string answer;
        std::exception_ptr thrown;
        boost::asio::co_spawn(context, V::call(app, "x"),
                              [&](std::exception_ptr e, std::string text) {
                                  thrown = e;
                                  answer = std::move(text);
                              });
        context.run();
        expect(!thrown, "calls that end with their context give back what they held: " +
                            std::string(thrown ? failure::from(thrown).what() : ""));
        expect(answer == "x!", "the answer");
    }

    static void leaks_nothing(const subject& s) {
        const service app = s.alone(echo());
        in_test([&]() -> awaitable<void> {
            context_info& info = context_info::of(co_await boost::asio::this_coro::executor);
            const counters before = counters::of(info);
            for (int i = 0; i < 20; ++i) co_await expect_works(app);
            // A limit's entry may stay in the wheel until its slot's turn.
            co_await sleep_for(std::chrono::hours(24));
            expect(counters::of(info) == before,
                   "alive after the calls: " + counters::of(info).describe());
        });
    }

    static std::vector<law> all() {
        return {
            {"a call reaches the service, and its answer comes back", answers},
            {"it composes with itself", composes_with_itself},
            {"a copy works like the layer", copies},
            {"around and inside of other layers, the outer one runs first", keeps_the_order},
            {"how the >> are grouped changes nothing", reassociates},
            {"it may be left out when the stack is built", optional},
            {"nothing begins before the call is awaited", begins_when_awaited},
            {"the service is called once", calls_once},
            {"a failure of the service comes out with its kind", passes_failures},
            {"after failures and foreign exceptions it works as before", survives_failures},
            {"a cancellation reaches the service and comes out as one", keeps_cancellation},
            {"after calls that were cancelled it works as before", survives_cancellation},
            {"many calls at once do not mix", re_entrant},
            {"nor in any order of events", any_order},
            {"a service may call itself through it", calls_itself},
            {"calls from several threads do not mix", from_threads},
            {"calls that are destroyed give back what they held", destroyed},
            {"nothing is left alive", leaks_nothing},
        };
    }
};

}  // namespace weft::testing
