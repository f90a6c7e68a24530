// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "pool_fakes.hpp"
#include <weft/io/duplex.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/testing/fault_plan.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

using namespace pools;

namespace {

testing::counters counters_here(const asio::any_io_executor& ex) {
    return testing::counters::of(context_info::of(ex));
}

}  // namespace

TEST_CASE("close lets requests end, refuses new ones, and leaves every counter where it was") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        bool server_ended = false;
        auto app = [](http::request r) -> awaitable<http::response> {
            co_await sleep_for(r.path() == "/slow" ? 2s : 1ms);
            co_return http::text("x");
        };
        http::server server(app);
        auto mock = testing::mock_connector([&](io::stream s) -> awaitable<void> {
            co_await server.serve(std::move(s));
            server_ended = true;
        });
        const testing::counters before = counters_here(ex);
        {
            http::client client{mock};
            http::response idle = co_await client.get("http://b/").send();
            co_await idle.body().discard();
            int answered = 0;
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 3; ++i)
                    s.spawn([&]() -> awaitable<void> {
                        http::response r = co_await client.get("http://a/slow").send();
                        std::string text = co_await r.body().text();
                        CHECK(text == "x");
                        ++answered;
                    });
                co_await sleep_for(10ms);
                const auto began = now_of(ex);
                co_await client.close();
                CHECK(now_of(ex) - began < 2100ms);
                CHECK(answered == 3);
                co_return;
            });
            CHECK(client.statistics() == http::pool_statistics{});
            auto late = co_await attempt(client.get("http://a/").send());
            REQUIRE(!late);
            CHECK(late.error().kind() == failure_kind::rejected);
            CHECK(late.error().delivered() == delivery::not_sent);
            co_await client.close();
        }
        CHECK(server_ended);
        CHECK(counters_here(ex) == before);
    });
}

TEST_CASE("close cuts off what does not end in time") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        std::vector<failure> why;
        const auto handle = [&](result<http::response> r) {
            if (!r) why.push_back(r.error());
        };
        http::client_options options;
        options.max_connections_per_host = 1;
        http::client client{scripted([](peer& c) -> awaitable<void> { co_await c.rest(); }),
                            options};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 2; ++i)
                s.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(client.get("http://a/").send());
                    handle(std::move(r));
                });
            co_await sleep_for(10ms);
            const auto began = now_of(ex);
            co_await client.close();
            CHECK(now_of(ex) - began >= 5s);
            CHECK(now_of(ex) - began < 5200ms);
            CHECK(client.statistics() == http::pool_statistics{});
            co_await sleep_for(1ms);
        });
        REQUIRE(why.size() == 2);
        CHECK(why[0].kind() == failure_kind::rejected);  // it waited, and was told at once
        CHECK(why[0].delivered() == delivery::not_sent);
        CHECK(why[1].kind() == failure_kind::unavailable);
        CHECK(why[1].delivered() == delivery::unknown);
        co_await sleep_for(1ms);
        CHECK(counters_here(ex).streams == 0);
    });
}

TEST_CASE("close gives up connections that are being opened, and who waits for them") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::client client{[](net::connect_request) -> awaitable<io::stream> {
            co_await sleep_for(1000s);
            co_return io::stream();
        }};
        std::optional<failure> why;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(client.get("http://a/").send());
                if (!r) why = r.error();
            });
            co_await sleep_for(10ms);
            const auto began = now_of(ex);
            co_await client.close();
            CHECK(now_of(ex) - began < 10ms);
            co_await sleep_for(1ms);
        });
        REQUIRE(why);
        CHECK(why->kind() == failure_kind::rejected);
        CHECK(why->delivered() == delivery::not_sent);
    });
}

TEST_CASE("a body that is held over close fails, and does not hold it up for long") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto large = [](http::request) -> awaitable<http::response> {
            co_return http::text(std::string(1'000'000, 'x'));
        };
        http::client client{testing::mock_connector(http::server(large))};
        http::response held = co_await client.get("http://a/").send();
        const auto began = now_of(ex);
        co_await client.close();
        CHECK(now_of(ex) - began < 6s);
        auto rest = co_await attempt(held.body().discard());
        REQUIRE(!rest);
        CHECK(rest.error().kind() == failure_kind::unavailable);
    });
}

TEST_CASE("an execution context may end before a client that was used on it, and another begin") {
    for (const bool before_the_answer : {false, true}) {
        http::client client{[](net::connect_request) -> awaitable<io::stream> {
            auto [near, far] = io::duplex(co_await asio::this_coro::executor);
            auto serve = [](io::stream s) -> awaitable<void> {
                peer p(std::move(s));
                for (;;) {
                    std::string head = co_await p.until("\r\n\r\n");
                    if (head.empty()) co_return;
                    if (head.find("/never") != head.npos) continue;
                    co_await p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            };
            asio::co_spawn(co_await asio::this_coro::executor, serve(std::move(far)),
                           asio::detached);
            co_return std::move(near);
        }};
        for (int round = 0; round < 3; ++round) {
            asio::io_context context(1);
            bool answered = false;
            auto ask = [](http::client c, bool* done) -> awaitable<void> {
                http::response r = co_await c.get("http://a/").send();
                co_await r.body().discard();
                *done = true;
                co_await c.get("http://a/never").send();
            };
            asio::co_spawn(context, ask(client, &answered), asio::detached);
            while (!answered) context.run_one();
            if (before_the_answer)
                for (int i = 0; i < 5; ++i) context.poll_one();
        }
        CHECK(client.statistics() == http::pool_statistics{});
    }
}

TEST_CASE(
    "faults at every point of a pooled request: success or a classified failure, then service") {
    const auto report =
        testing::fault_plan().replay([](testing::fault_run& run) -> awaitable<void> {
            auto slow = [](http::request) -> awaitable<http::response> {
                co_await sleep_for(1ms);
                co_return http::text("x");
            };
            http::client_options options;
            options.max_connections_per_host = 1;
            http::client client{testing::mock_connector(http::server(slow)), options};
            auto one = [](http::client c) -> awaitable<void> {
                http::response r = co_await c.get("http://a/").send();
                co_await r.body().discard();
            };
            auto work = [&]() -> awaitable<void> {
                co_await with_scope([&](task_scope& s) -> awaitable<void> {
                    s.spawn(one(client));  // one waits for the other
                    co_await one(client);
                    co_await one(client);
                });
            };
            co_await run.disturb(work());
            co_await sleep_for(2h);
            co_await one(client);
            co_await client.close();
            CHECK(client.statistics() == http::pool_statistics{});
        });
    CHECK(report.total() > 20);
    CHECK(report.failures > 0);
    CHECK(report.succeeded > 0);
}

TEST_CASE("a client is used by the cores of a runtime at once, each with connections of its own") {
    runtime cores({.threads = 4});
    http::client_options options;
    options.max_connections_per_host = 4;
    http::client client{[](net::connect_request) -> awaitable<io::stream> {
                            auto executor = co_await asio::this_coro::executor;
                            auto [near, far] = io::duplex(executor);
                            auto serve = [](http::server s, io::stream end) -> awaitable<void> {
                                co_await s.serve(std::move(end));
                            };
                            asio::co_spawn(executor, serve(http::server(hello), std::move(far)),
                                           asio::detached);
                            co_return std::move(near);
                        },
                        options};
    std::atomic<int> done{0};
    std::size_t most = 0;
    cores.run([&]() -> awaitable<void> {
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (std::size_t core = 0; core < 4; ++core)
                for (int i = 0; i < 16; ++i)
                    s.spawn_on(
                        cores.cores()[core],
                        [](http::client c, std::atomic<int>* n, int id) -> awaitable<void> {
                            for (int k = 0; k < 50; ++k) {
                                http::response r =
                                    co_await c.get("http://a/?name=" + std::to_string(id)).send();
                                std::string text = co_await r.body().text();
                                if (text == "Hello, " + std::to_string(id)) ++*n;
                            }
                        }(client, &done, i));
            while (done < 4 * 16 * 50) {
                most = std::max(most, client.statistics().open);
                co_await sleep_for(1ms);
            }
        });
        co_await client.close();
    });
    CHECK(done == 4 * 16 * 50);
    CHECK(most <= 16);
    CHECK(client.statistics() == http::pool_statistics{});
}

TEST_CASE("a client is used by the threads of a foreign pool at once") {
    asio::thread_pool threads(4);
    http::client_options options;
    options.max_connections_per_host = 4;
    http::client client{[](net::connect_request) -> awaitable<io::stream> {
                            auto executor = co_await asio::this_coro::executor;
                            auto [near, far] = io::duplex(executor);
                            auto serve = [](http::server s, io::stream end) -> awaitable<void> {
                                co_await s.serve(std::move(end));
                            };
                            const auto strand = serialized(far.get_executor());
                            asio::co_spawn(strand, serve(http::server(hello), std::move(far)),
                                           asio::detached);
                            co_return std::move(near);
                        },
                        options};
    std::atomic<int> done{0};
    std::vector<std::future<void>> all;
    for (int i = 0; i < 32; ++i)
        all.push_back(asio::co_spawn(
            threads,
            [](http::client c, std::atomic<int>* n, int id) -> awaitable<void> {
                for (int k = 0; k < 50; ++k) {
                    auto waiting = c.get("http://a/?name=" + std::to_string(id)).send();
                    if (k % 10 == 9) {
                        auto cut = co_await attempt(
                            with_deadline(std::chrono::microseconds(50), std::move(waiting)));
                        if (!cut) continue;
                        co_await cut->body().discard();
                        continue;
                    }
                    http::response r = co_await std::move(waiting);
                    std::string text = co_await r.body().text();
                    if (text == "Hello, " + std::to_string(id)) ++*n;
                }
            }(client, &done, i),
            asio::use_future));
    for (auto& f : all) f.get();
    CHECK(done == 32 * 45);
    CHECK(client.statistics().open <= 4);
    asio::co_spawn(
        threads, [](http::client c) -> awaitable<void> { co_await c.close(); }(client),
        asio::use_future)
        .get();
    CHECK(client.statistics() == http::pool_statistics{});
    threads.join();
}
