// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/client.hpp>

using namespace peers;

namespace {

testing::mock_connector to(http::any_app app, http::server_options options = {}) {
    return testing::mock_connector(http::server(std::move(app), options));
}

awaitable<std::string> text_of(http::client client, std::string url = "http://a/") {
    http::response r = co_await client.get(url).send();
    co_return co_await r.body().text();
}

}  // namespace

TEST_CASE("a connection is used again once its response was read") {
    testing::run([]() -> awaitable<void> {
        auto mock = to(hello);
        http::client client{mock};
        for (int i = 0; i < 5; ++i) co_await text_of(client);
        CHECK(mock.connections() == 1);
        co_await text_of(client, "http://b/");
        CHECK(mock.connections() == 2);
        co_await text_of(client, "http://a:81/");
        CHECK(mock.connections() == 3);
        co_await text_of(client, "http://A:80/");
        CHECK(mock.connections() == 3);
    });
}

TEST_CASE("exchanges at the same time have a connection each, and no more are kept than allowed") {
    testing::run([]() -> awaitable<void> {
        auto mock = to([](http::request) -> awaitable<http::response> {
            co_await sleep_for(1s);
            co_return http::text("x");
        });
        http::client_options options;
        options.max_idle_per_host = 2;
        http::client client(mock, options);
        for (int round = 0; round < 2; ++round)
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 5; ++i)
                    s.spawn([&]() -> awaitable<void> { co_await text_of(client); });
                co_await sleep_for(2s);
            });
        CHECK(mock.connections() == 5 + 3);
    });
}

TEST_CASE("a dropped body that is small keeps its connection, another one costs it") {
    struct row {
        std::size_t size;
        std::size_t connections;
    };
    for (const row& w : {row{0, 1}, row{10, 1}, row{30'000, 1}, row{1'000'000, 2}}) {
        CAPTURE(w.size);
        testing::run([&]() -> awaitable<void> {
            auto mock = to([&](http::request) -> awaitable<http::response> {
                co_return http::text(std::string(w.size, 'x'));
            });
            http::client client{mock};
            {
                http::response dropped = co_await client.get("http://a/").send();
                co_await sleep_for(1ms);
            }
            std::string again = co_await text_of(client);
            CHECK(again.size() == w.size);
            CHECK(mock.connections() == w.connections);
        });
    }
}

TEST_CASE("a connection that the server closed while it was idle is not used again") {
    testing::run([]() -> awaitable<void> {
        auto mock = to(hello, {.idle_timeout = 1s});
        http::client client{mock};
        co_await text_of(client);
        co_await sleep_for(2s);
        std::string again = co_await text_of(client);
        CHECK(again == "Hello, world");
        CHECK(mock.connections() == 2);
    });
}

TEST_CASE("an idle connection on which the server speaks is not used again") {
    testing::run([]() -> awaitable<void> {
        auto mock = scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            co_await sleep_for(1s);
            auto said =
                co_await attempt(c.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
            co_await c.rest();
        });
        http::client client{mock};
        for (int i = 0; i < 2; ++i) {
            std::string text = co_await text_of(client);
            CHECK(text == "ok");
            co_await sleep_for(2s);
        }
        CHECK(mock.connections() == 2);
    });
}

TEST_CASE("bytes behind a response are not the next response") {
    testing::run([]() -> awaitable<void> {
        int ended = 0;
        auto mock = scripted([&](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: "
                "6\r\n\r\npoison");
            co_await c.rest();
            ++ended;
        });
        http::client client{mock};
        for (int i = 0; i < 2; ++i) {
            std::string text = co_await text_of(client);
            CHECK(text == "ok");
            co_await sleep_for(1ms);
            CHECK(ended == i + 1);  // the connection is not kept, not even idle
        }
        CHECK(mock.connections() == 2);
    });
}

TEST_CASE("Connection: close of either side is the end of the connection") {
    testing::run([]() -> awaitable<void> {
        auto closing = scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            co_await c.rest();
        });
        http::client client{closing};
        for (int i = 0; i < 2; ++i) co_await text_of(client);
        CHECK(closing.connections() == 2);
        auto mock = to(hello);
        http::client polite{mock};
        for (int i = 0; i < 2; ++i) {
            http::response r =
                co_await polite.get("http://a/").header("Connection", "close").send();
            CHECK(r.headers().has_token("Connection", "close"));
            co_await r.body().discard();
        }
        CHECK(mock.connections() == 2);
    });
}

TEST_CASE("an idle connection is closed after a minute") {
    testing::run([]() -> awaitable<void> {
        bool closed = false;
        auto mock = scripted([&](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            co_await c.rest();
            closed = true;
        });
        http::client client{mock};
        co_await text_of(client);
        co_await sleep_for(59s);
        CHECK(!closed);
        co_await sleep_for(2s);
        CHECK(closed);
    });
}

TEST_CASE("close ends idle connections, and the others when they come back") {
    testing::run([]() -> awaitable<void> {
        auto mock = to([](http::request) -> awaitable<http::response> {
            co_await sleep_for(1s);
            co_return http::text("x");
        });
        http::client client{mock};
        auto ex = co_await asio::this_coro::executor;
        co_await text_of(client);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await text_of(client); });
            co_await sleep_for(10ms);
            co_await client.close();
            co_await sleep_for(2s);
        });
        co_await sleep_for(1ms);
        CHECK(testing::counters::of(context_info::of(ex)).streams == 0);
    });
}

TEST_CASE("the last copy of a client closes its idle connections, a body keeps its own") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        std::optional<http::response> kept;
        {
            http::client client{to([](http::request r) -> awaitable<http::response> {
                co_return http::text(std::string(r.path() == "/large" ? 300'000 : 3, 'x'));
            })};
            co_await text_of(client);
            kept = co_await client.get("http://a/large").send();
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> { co_await text_of(client); });
                co_await sleep_for(1s);
            });
        }
        co_await sleep_for(1ms);
        CHECK(testing::counters::of(context_info::of(ex)).streams == 2);
        std::string all = co_await kept->body().text();
        CHECK(all.size() == 300'000);
        kept.reset();
        co_await sleep_for(1ms);
        CHECK(testing::counters::of(context_info::of(ex)).streams == 0);
    });
}

TEST_CASE("a failed connect says that nothing was sent, and keeps its kind") {
    testing::run([]() -> awaitable<void> {
        http::client refused{[](net::connect_request) -> awaitable<io::stream> {
            throw failure(failure_kind::unavailable,
                          make_error_code(asio::error::connection_refused), "refused");
            co_return io::stream();
        }};
        auto r = co_await attempt(refused.get("http://a/").send());
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(r.error().code() == asio::error::connection_refused);
        REQUIRE(r.error().cause());
        http::client hanging{[](net::connect_request) -> awaitable<io::stream> {
            co_await sleep_for(1000s);
            co_return io::stream();
        }};
        const auto start = now_of(co_await asio::this_coro::executor);
        auto late = co_await attempt(hanging.get("http://a/").send());
        REQUIRE(!late);
        CHECK(late.error().kind() == failure_kind::timeout);
        CHECK(late.error().delivered() == delivery::not_sent);
        CHECK(now_of(co_await asio::this_coro::executor) - start <= 10'010ms);
    });
}

TEST_CASE("a connection that takes no byte leaves the request unsent") {
    testing::run([]() -> awaitable<void> {
        http::client client{[](net::connect_request) -> awaitable<io::stream> {
            auto [near, far] = io::duplex(co_await asio::this_coro::executor);
            far.close();
            co_return std::move(near);
        }};
        auto r = co_await attempt(client.get("http://a/").send());
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().delivered() == delivery::not_sent);
    });
}

TEST_CASE("limits of the client: response, body, write") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::client silent{scripted([](peer& c) -> awaitable<void> { co_await c.rest(); })};
        auto start = now_of(ex);
        auto none = co_await attempt(silent.get("http://a/").send());
        REQUIRE(!none);
        CHECK(none.error().kind() == failure_kind::timeout);
        CHECK(none.error().delivered() == delivery::unknown);
        CHECK(now_of(ex) - start <= 30'010ms);

        http::client stalling{scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            co_await c.rest();
        })};
        http::response r = co_await stalling.get("http://a/").send();
        start = now_of(ex);
        auto body = co_await attempt(r.body().text());
        REQUIRE(!body);
        CHECK(body.error().kind() == failure_kind::timeout);
        CHECK(now_of(ex) - start <= 30'010ms);

        http::client deaf{
            scripted([](peer&) -> awaitable<void> { co_await sleep_for(1000s); }, 4096)};
        start = now_of(ex);
        auto full = co_await attempt(deaf.post("http://a/").body(std::string(100'000, 'x')).send());
        REQUIRE(!full);
        CHECK(full.error().kind() == failure_kind::timeout);
        CHECK(now_of(ex) - start <= 30'010ms);
    });
}
