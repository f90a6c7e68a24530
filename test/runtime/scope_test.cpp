// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "machine.hpp"
#include <weft/core/observe.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace weft_test;
using weft::task_scope;
using weft::with_scope;

namespace {

awaitable<void> forever() {
    weft::event never;
    co_await never.wait();
}

awaitable<void> fail_after(weft::clock::duration d, const char* text) {
    co_await weft::sleep_for(d);
    throw std::runtime_error(text);
}

/// Runs `work` and gives the outcome in a word.
template <class Work>
std::string outcome_in_time(Work work) {
    machine m;
    std::string result;
    run_in(m, [&]() -> awaitable<void> {
        std::exception_ptr e;
        try {
            co_await work();
        } catch (...) {
            e = std::current_exception();
        }
        result = outcome_of(std::move(e));
    });
    CHECK(m.info.live().tasks == 0);
    CHECK(m.info.live().waiters == 0);
    return result;
}

struct ends {
    bool& flag;
    ~ends() { flag = true; }
};

}  // namespace

TEST_CASE("a scope gives what its body gives, move-only and without a default constructor") {
    machine m;
    int got = 0;
    run_in(m, [&]() -> awaitable<void> {
        struct odd {
            explicit odd(int i) : p(std::make_unique<int>(i)) {}
            std::unique_ptr<int> p;
        };
        auto body = [](task_scope& s) -> awaitable<odd> {
            s.spawn(forever());
            co_return odd(7);
        };
        odd o = co_await with_scope(body);
        got = *o.p;
    });
    CHECK(got == 7);
}

TEST_CASE("leaving a scope cancels and joins its children, however long they take") {
    machine m;
    std::vector<std::string> order;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                std::exception_ptr e;
                try {
                    co_await forever();
                } catch (...) {
                    e = std::current_exception();
                }
                order.push_back("cancelled");
                co_await asio::this_coro::reset_cancellation_state();
                co_await weft::sleep_for(1h);
                order.push_back("ended");
                std::rethrow_exception(e);
            });
            co_await weft::sleep_for(1s);
            order.push_back("body");
        };
        co_await with_scope(body);
        order.push_back("after");
    });
    CHECK(order == std::vector<std::string>{"body", "cancelled", "ended", "after"});
}

TEST_CASE("the first failing child cancels body and siblings, and is what with_scope throws") {
    bool sibling_ended = false, body_ended = false;
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [&](task_scope& s) -> awaitable<int> {
                  s.spawn([&]() -> awaitable<void> {
                      const ends e{sibling_ended};
                      co_await forever();
                  });
                  s.spawn(fail_after(10ms, "first"));
                  s.spawn(fail_after(10ms, "second"));
                  s.spawn(fail_after(20ms, "never thrown"));
                  const ends e{body_ended};
                  co_await weft::sleep_for(10h);
                  co_return 1;
              };
              co_await with_scope(body);
          }) == "first");
    CHECK(sibling_ended);
    CHECK(body_ended);
}

TEST_CASE("what the body throws is thrown after the join") {
    bool child_ended = false;
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [&](task_scope& s) -> awaitable<void> {
                  s.spawn([&]() -> awaitable<void> {
                      const ends e{child_ended};
                      co_await forever();
                  });
                  co_await weft::sleep_for(1ms);
                  throw std::runtime_error("body");
              };
              co_await with_scope(body);
          }) == "body");
    CHECK(child_ended);
}

TEST_CASE("a callable that throws before it gives an awaitable is a failing body") {
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [](task_scope&) -> awaitable<void> { throw std::runtime_error("early"); };
              co_await with_scope(body);
          }) == "early");
}

TEST_CASE("a child that fails while the scope is being left is not lost") {
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [](task_scope& s) -> awaitable<void> {
                  s.spawn([]() -> awaitable<void> {
                      try {
                          co_await forever();
                      } catch (...) {
                      }
                      throw std::runtime_error("last words");
                  });
                  co_await weft::sleep_for(1ms);
              };
              co_await with_scope(body);
          }) == "last words");
}

TEST_CASE("operation_aborted without a cancellation is a failure like any other") {
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [](task_scope& s) -> awaitable<void> {
                  s.spawn([]() -> awaitable<void> {
                      co_await weft::sleep_for(1ms);
                      throw boost::system::system_error(asio::error::operation_aborted);
                  });
                  co_await forever();
              };
              co_await with_scope(body);
          }) == "aborted");
}

TEST_CASE("a supervised child's failure is told, with the place of its spawn, and ends nothing") {
    machine m;
    std::vector<std::string> told;
    unsigned line = 0;
    bool went_on = false;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn_supervised(fail_after(1ms, "small"),
                               [&](const weft::failure& f, std::source_location l) {
                                   told.emplace_back(f.what());
                                   line = l.line();
                               });
            s.spawn_supervised(forever(), [&](const weft::failure&, std::source_location) {
                told.emplace_back("a cancelled child has not failed");
            });
            co_await weft::sleep_for(1s);
            went_on = true;
        };
        co_await with_scope(body);
    });
    CHECK(went_on);
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("small") != std::string::npos);
    CHECK(line > 0);
}

TEST_CASE("a supervised child can tell the observer of its extensions") {
    struct sink final : weft::observer_sink {
        void emit(const weft::log_record& r) noexcept override { bodies.emplace_back(r.body); }
        std::vector<std::string> bodies;
    };
    auto heard = std::make_shared<sink>();
    weft::extensions ext;
    ext.insert(weft::observer(heard));
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn_supervised(fail_after(1ms, "small"), ext);
            co_await weft::sleep_for(1s);
        };
        co_await with_scope(body);
    });
    CHECK(heard->bodies == std::vector<std::string>{"task failed"});
}

TEST_CASE("an observer that throws makes the child an ordinary failing one") {
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [](task_scope& s) -> awaitable<void> {
                  s.spawn_supervised(fail_after(1ms, "small"),
                                     [](const weft::failure&, std::source_location) {
                                         throw std::runtime_error("observer");
                                     });
                  co_await forever();
              };
              co_await with_scope(body);
          }) == "observer");
}

TEST_CASE("cancel ends body and children; a child spawned afterwards does not begin") {
    bool late_began = false;
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto body = [&](task_scope& s) -> awaitable<void> {
                  s.spawn([&]() -> awaitable<void> {
                      co_await weft::sleep_for(1ms);
                      s.cancel();
                      CHECK(s.cancelled());
                      s.spawn([&]() -> awaitable<void> {
                          late_began = true;
                          co_return;
                      });
                  });
                  co_await forever();
              };
              co_await with_scope(body);
          }) == "aborted");
    CHECK(!late_began);
}

TEST_CASE(
    "a child that is cancelled before its turn does not begin, and its arguments are destroyed") {
    machine m;
    bool began = false;
    auto argument = std::make_shared<int>(1);
    const std::weak_ptr<int> watched = argument;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn([&began, kept = std::move(argument)]() -> awaitable<void> {
                began = *kept == 1;
                co_return;
            });
            s.cancel();
            co_return;
        };
        co_await with_scope(body);
        CHECK(watched.expired());
    });
    CHECK(!began);
}

TEST_CASE(
    "spawn never runs the child from inside, and what a callable captures lives as long as the "
    "child") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [](task_scope& s) -> awaitable<void> {
            bool began = false;
            std::string captured(100, 'x');
            std::string seen;
            s.spawn([&began, &seen, captured]() -> awaitable<void> {
                began = true;
                co_await weft::sleep_for(1ms);
                seen = captured;
            });
            CHECK(!began);
            CHECK(s.size() == 1);
            captured.assign(100, 'y');
            co_await weft::sleep_for(2ms);
            CHECK(s.size() == 0);
            CHECK(seen == std::string(100, 'x'));
        };
        co_await with_scope(body);
    });
}

TEST_CASE("children may spawn: a tree of them is joined") {
    machine m;
    int leaves = 0;
    run_in(m, [&]() -> awaitable<void> {
        struct tree {
            static awaitable<void> grow(task_scope& s, int depth, int& n) {
                co_await weft::sleep_for(1ms);
                if (depth == 0) {
                    ++n;
                    co_return;
                }
                s.spawn(grow(s, depth - 1, n));
                s.spawn(grow(s, depth - 1, n));
            }
        };
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn(tree::grow(s, 6, leaves));
            co_await weft::sleep_for(1s);
        };
        co_await with_scope(body);
    });
    CHECK(leaves == 64);
}

TEST_CASE("nested scopes: a failure in the inner one ends the outer one's child only") {
    CHECK(outcome_in_time([&]() -> awaitable<void> {
              auto inner = [](task_scope& s) -> awaitable<void> {
                  s.spawn(fail_after(1ms, "inner"));
                  co_await forever();
              };
              std::exception_ptr e;
              try {
                  co_await with_scope(inner);
              } catch (...) {
                  e = std::current_exception();
              }
              CHECK(outcome_of(e) == "inner");
              // Nothing of it is left: the caller is not cancelled.
              co_await weft::sleep_for(1ms);
          }) == "value");
}

TEST_CASE("the live counter says how many children there are") {
    machine m;
    run_in(m, [&]() -> awaitable<void> {
        auto body = [&](task_scope& s) -> awaitable<void> {
            s.spawn(forever());
            s.spawn(forever());
            co_await weft::sleep_for(1ms);
            CHECK(m.info.live().tasks == 3);  // and the body
        };
        co_await with_scope(body);
        CHECK(m.info.live().tasks == 0);
    });
}

TEST_CASE("children on another context run there, and are cancelled and joined from here") {
    asio::thread_pool pool(2);
    machine m;
    std::atomic<bool> there{false};
    std::atomic<bool> ended{false};
    bool done = false;
    started s;
    s.start(m.io.get_executor(), [&]() -> awaitable<void> {
        auto body = [&](task_scope& scope) -> awaitable<void> {
            weft::event running;
            scope.spawn_on(pool.get_executor(),
                           [](std::atomic<bool>& t, std::atomic<bool>& e, weft::event& r,
                              asio::thread_pool& p) -> awaitable<void> {
                               t = p.get_executor().running_in_this_thread();
                               r.set();
                               try {
                                   co_await forever();
                               } catch (...) {
                                   e = true;
                               }
                           }(there, ended, running, pool));
            co_await running.wait();
        };
        co_await with_scope(body);
        done = ended;
    });
    while (!s.done()) m.settle();
    pool.join();
    CHECK(there);
    CHECK(done);
    CHECK(weft::context_info::of(pool).live().tasks == 0);
}

TEST_CASE("on a thread pool without a strand, body and children have strands of their own") {
    asio::thread_pool pool(4);
    std::atomic<int> sum{0};
    std::promise<void> ready;
    asio::co_spawn(
        pool,
        [&]() -> awaitable<void> {
            auto body = [&](task_scope& s) -> awaitable<void> {
                weft::event all;
                for (int i = 0; i < 100; ++i)
                    s.spawn([&]() -> awaitable<void> {
                        CHECK(weft::is_serial(co_await asio::this_coro::executor));
                        if (++sum == 100) all.set();
                        co_return;
                    });
                co_await all.wait();
            };
            co_await with_scope(body);
        },
        [](std::exception_ptr e) { CHECK(!e); });
    pool.join();
    CHECK(sum == 100);
}

TEST_CASE("a context that ends with scopes and waits still in it destroys them all") {
    auto watched = std::make_shared<int>(1);
    const std::weak_ptr<int> alive = watched;
    {
        machine m;
        asio::co_spawn(
            m.io,
            [kept = std::move(watched)]() -> awaitable<void> {
                auto body = [kept](task_scope& s) -> awaitable<void> {
                    weft::event never;
                    s.spawn([kept, &never]() -> awaitable<void> { co_await never.wait(); });
                    s.spawn([kept]() -> awaitable<void> { co_await weft::sleep_for(1h); });
                    co_await never.wait();
                };
                co_await with_scope(body);
            },
            [](std::exception_ptr) {});
        m.settle();
        CHECK(!alive.expired());
    }
    CHECK(alive.expired());
}
