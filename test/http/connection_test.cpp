// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/connection.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <exception>
#include <future>

using namespace peers;

namespace {

const auto slow = [](http::request r) -> awaitable<http::response> {
    co_await sleep_for(1s);
    co_return http::text(std::string(r.path()));
};

/// A connection to a server whose side runs in the test's scope.
awaitable<http::connection> connected(http::any_app app) {
    testing::mock_connector mock{http::server(std::move(app))};
    io::stream s = co_await mock.serve(net::connect_request("a", 80));
    co_return co_await http::connect(std::move(s));
}

awaitable<std::string> get(http::connection c, std::string path) {
    http::response r = co_await c.serve(http::request(http::method::get, "http://a" + path));
    co_return co_await r.body().text();
}

}  // namespace

TEST_CASE("exchanges of one connection wait for each other, in order") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected(slow);
        std::vector<std::string> order;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 4; ++i)
                s.spawn([&, i]() -> awaitable<void> {
                    std::string text = co_await get(c, "/" + std::to_string(i));
                    order.push_back(text);
                });
            co_await sleep_for(10s);
        });
        CHECK(order == std::vector<std::string>{"/0", "/1", "/2", "/3"});
        CHECK(c.is_open());
    });
}

TEST_CASE("the next exchange waits for the body of the one before") {
    testing::run([]() -> awaitable<void> {
        const std::string large(50'000, 'x');
        http::connection c = co_await connected(
            [&](http::request) -> awaitable<http::response> { co_return http::text(large); });
        http::response first = co_await c.serve(http::request(http::method::get, "http://a/"));
        auto second = co_await attempt(with_deadline(1s, get(c, "/")));
        REQUIRE(!second);
        CHECK(second.error().kind() == failure_kind::timeout);
        std::string text = co_await first.body().text();
        CHECK(text == large);
        std::string third = co_await get(c, "/");
        CHECK(third == large);
    });
}

TEST_CASE("a body that came whole with its head holds nobody up, and outlives its connection") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected(hello);
        http::response first = co_await c.serve(http::request(http::method::get, "http://a/"));
        CHECK(first.body().in_memory());
        std::string second = co_await get(c, "/");
        CHECK(second == "Hello, world");
        c.close();
        std::string text = co_await first.body().text();
        CHECK(text == "Hello, world");
    });
}

TEST_CASE("a body whose end has not come with the head is pulled") {
    testing::run([]() -> awaitable<void> {
        auto mock = scripted([](peer& p) -> awaitable<void> {
            co_await p.head();
            co_await p.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
            co_await sleep_for(1s);
            co_await p.say("o");
            co_await p.rest();
        });
        http::client client(mock);
        http::response r = co_await client.get("http://a/").send();
        CHECK(!r.body().in_memory());
        CHECK(client.statistics().in_use == 1);
        std::string text = co_await r.body().text();
        CHECK(text == "hello");
        CHECK(client.statistics().idle == 1);
        co_await client.close();
    });
}

TEST_CASE("a closed connection says so, sends nothing and blocks nobody") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected([](http::request) -> awaitable<http::response> {
            http::response r = http::text("bye");
            r.headers().set("Connection", "close");
            co_return r;
        });
        std::string text = co_await get(c, "/");
        CHECK(text == "bye");
        CHECK(!c.is_open());
        for (int i = 0; i < 3; ++i) {
            auto r = co_await attempt(get(c, "/"));
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::unavailable);
            CHECK(r.error().delivered() == delivery::not_sent);
        }
    });
}

TEST_CASE("close ends the exchange under way and those that wait") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected(slow);
        int failed = 0;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 3; ++i)
                s.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(get(c, "/"));
                    if (!r && r.error().kind() == failure_kind::unavailable) ++failed;
                });
            co_await sleep_for(10ms);
            c.close();
            co_await sleep_for(10ms);
            CHECK(failed == 3);
        });
        CHECK(!c.is_open());
    });
}

TEST_CASE("cancelling an exchange closes the connection, in each phase, and nothing is left") {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.method() == http::method::post) co_return co_await echo(std::move(r));
        co_await sleep_for(100ms);
        http::response answer;
        answer.set_body(
            http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                if (n++ == 5) co_return std::nullopt;
                co_await sleep_for(100ms);
                co_return weft::bytes("0123456789");
            }));
        co_return answer;
    };
    int cancelled = 0;
    int whole = 0;
    for (bool post : {false, true}) {
        for (auto when = 0ms; when < 800ms; when += 25ms) {
            CAPTURE(when.count());
            testing::run([&]() -> awaitable<void> {
                auto ex = co_await asio::this_coro::executor;
                testing::mock_connector mock{http::server(app)};
                auto connect = [&](net::connect_request q) -> awaitable<io::stream> {
                    co_await sleep_for(50ms);
                    co_return co_await mock.serve(std::move(q));
                };
                http::client client{connect};
                auto exchange = [&]() -> awaitable<void> {
                    http::request_builder b =
                        post ? client.post("http://a/") : client.get("http://a/");
                    if (post)
                        b.body(http::body::pull(
                            [n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                                if (n++ == 5) co_return std::nullopt;
                                co_await sleep_for(100ms);
                                co_return weft::bytes("0123456789");
                            }));
                    http::response r = co_await std::move(b).send();
                    std::string text = co_await r.body().text();
                    CHECK(text.size() == 50);
                };
                auto r = co_await attempt(with_deadline(when, exchange()));
                if (r) {
                    ++whole;
                } else {
                    ++cancelled;
                    CHECK(r.error().kind() == failure_kind::timeout);
                    co_await sleep_for(150ms);  // the server's side
                    // What was being opened then may be used by the next one.
                    const std::size_t kept = when <= 50ms ? 1 : 0;
                    CHECK(client.statistics().open <= kept);
                    CHECK(client.statistics().in_use == 0);
                    CHECK(testing::counters::of(context_info::of(ex)).streams <= 2 * kept);
                }
                co_await exchange();  // the next one works
                co_await client.close();
            });
        }
    }
    CHECK(cancelled > 20);
    CHECK(whole > 2);
}

TEST_CASE("a cancelled exchange that waits for its turn costs nothing") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected(slow);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                std::string text = co_await get(c, "/first");
                CHECK(text == "/first");
            });
            co_await sleep_for(10ms);
            auto r = co_await attempt(with_deadline(100ms, get(c, "/second")));
            CHECK(!r);
            std::string third = co_await get(c, "/third");
            CHECK(third == "/third");
        });
    });
}

TEST_CASE("a request without a host is refused, origin-form with Host goes") {
    testing::run([]() -> awaitable<void> {
        http::connection c = co_await connected(hello);
        auto none = co_await attempt(c.serve(http::request(http::method::get, "/")));
        REQUIRE(!none);
        CHECK(none.error().kind() == failure_kind::invalid_input);
        http::request r(http::method::get, "/?name=Ann");
        r.headers().set("Host", "a");
        http::response answer = co_await c.serve(std::move(r));
        std::string text = co_await answer.body().text();
        CHECK(text == "Hello, Ann");
    });
}

TEST_CASE("a client serves many threads of a pool") {
    asio::thread_pool pool(4);
    http::server server(hello);
    // Both sides on strands of the pool.
    auto connect = [&server](net::connect_request) -> awaitable<io::stream> {
        auto ex = co_await asio::this_coro::executor;
        auto lane = serialized(asio::any_io_executor(
            static_cast<asio::thread_pool&>(asio::query(ex, asio::execution::context))
                .get_executor()));
        auto [near, far] = io::duplex(ex, lane);
        asio::co_spawn(
            lane,
            [](http::server s, io::stream end) -> awaitable<void> {
                co_await s.serve(std::move(end));
            }(server, std::move(far)),
            [](std::exception_ptr) {});
        co_return std::move(near);
    };
    std::atomic<int> good = 0;
    {
        http::client client{connect};
        std::vector<std::future<void>> all;
        for (int i = 0; i < 16; ++i)
            all.push_back(asio::co_spawn(
                pool,
                [](http::client c, std::atomic<int>& n) -> awaitable<void> {
                    for (int k = 0; k < 25; ++k) {
                        http::response r = co_await c.get("http://a/").send();
                        std::string text = co_await r.body().text();
                        if (text == "Hello, world") ++n;
                    }
                }(client, good),
                asio::use_future));
        for (auto& f : all) f.get();
    }
    pool.join();
    CHECK(good == 400);
}

TEST_CASE("the Asio door: a future, a callback, and a cancellation") {
    http::client client{hello};
    auto future = client.get("http://a/").query("name", "Ann")(asio::use_future);
    http::response r = future.get();
    CHECK(r.status() == 200);

    asio::io_context context;
    int status = 0;
    bool threw = false;
    client.get("http://a/")(asio::bind_executor(context.get_executor(),
                                                [&](std::exception_ptr e, http::response answer) {
                                                    if (e) return;
                                                    status = answer.status().code();
                                                }));
    client.get("nonsense")(
        asio::bind_executor(context.get_executor(), [&](std::exception_ptr e, http::response) {
            threw = failure::from(e).kind() == failure_kind::invalid_input;
        }));
    CHECK(status == 0);
    context.run();
    CHECK(status == 200);
    CHECK(threw);

    http::client hanging{slow};
    asio::cancellation_signal stop;
    bool stopped = false;
    context.restart();
    hanging.get("http://a/")(asio::bind_cancellation_slot(
        stop.slot(),
        asio::bind_executor(context.get_executor(), [&](std::exception_ptr e, http::response) {
            stopped = e && failure::from(e).kind() == failure_kind::cancelled;
        })));
    asio::post(context, [&] { stop.emit(asio::cancellation_type::terminal); });
    context.run();
    CHECK(stopped);
}

TEST_CASE("a client may outlive the context that it was used on") {
    http::client client{[](net::connect_request) -> awaitable<io::stream> {
        auto ex = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(ex);
        asio::co_spawn(
            ex,
            [](io::stream end) -> awaitable<void> {
                http::server server(hello);
                co_await server.serve(std::move(end));
            }(std::move(far)),
            [](std::exception_ptr) {});
        co_return std::move(near);
    }};
    {
        asio::io_context context;
        int status = 0;
        asio::co_spawn(
            context,
            [](http::client c, int& out) -> awaitable<void> {
                http::response r = co_await c.get("http://a/").send();
                out = r.status().code();
                co_await r.body().discard();
            }(client, status),
            [&](std::exception_ptr) { context.stop(); });
        context.run();
        CHECK(status == 200);
    }
}
