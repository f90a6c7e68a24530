// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/client.hpp>

using namespace peers;

namespace {

testing::mock_connector to(http::any_app app, http::server_options options = {}) {
    return testing::mock_connector(http::server(std::move(app), options));
}

/// `n` pieces of ten bytes, one each `gap`.
http::body pieces(int n, std::chrono::milliseconds gap = 0ms) {
    return http::body::pull([n, gap]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n-- == 0) co_return std::nullopt;
        if (gap > 0ms) co_await sleep_for(gap);
        co_return weft::bytes("0123456789");
    });
}

const auto count_bytes = [](http::request r) -> awaitable<http::response> {
    std::uint64_t n = co_await r.body().discard();
    co_return http::text(std::to_string(n));
};

}  // namespace

TEST_CASE("a body of unknown size is uploaded in chunks, and the connection kept") {
    testing::run([]() -> awaitable<void> {
        auto mock = to(count_bytes);
        http::client client{mock};
        for (int n : {0, 1, 3, 5000}) {
            http::response r = co_await client.post("http://a/").body(pieces(n)).send();
            std::string text = co_await r.body().text();
            CHECK(text == std::to_string(n * 10));
        }
        http::response r = co_await client.post("http://a/").body(pieces(3, 1s)).send();
        std::string text = co_await r.body().text();
        CHECK(text == "30");
        CHECK(mock.connections() == 1);
    });
}

TEST_CASE("an upload and its echo pass each other, with trailers, and the connection is kept") {
    testing::run([]() -> awaitable<void> {
        auto mock = to(echo);
        http::client client{mock};
        for (int round = 0; round < 2; ++round) {
            http::headers sum{{"Sum", "7"}};
            http::response r = co_await client.post("http://a/")
                                   .body(pieces(5, 1s).with_trailers(std::move(sum)))
                                   .send();
            std::string text = co_await r.body().text();
            CHECK(text.size() == 50);
            REQUIRE(r.body().trailers());
            CHECK(r.body().trailers()->get("Sum") == "7");
            co_await sleep_for(1ms);
        }
        CHECK(mock.connections() == 1);
    });
}

TEST_CASE("a large echo flows both ways under back-pressure") {
    testing::run([]() -> awaitable<void> {
        http::client client{testing::mock_connector(http::server(echo), 4096)};
        http::response r = co_await client.post("http://a/").body(pieces(100'000)).send();
        std::uint64_t n = co_await r.body().discard();
        CHECK(n == 1'000'000);
    });
}

TEST_CASE("an early response ends the upload") {
    testing::run([]() -> awaitable<void> {
        int made = 0;
        auto mock =
            to([](http::request) -> awaitable<http::response> { co_return http::text("no", 403); });
        http::client client{mock};
        auto endless = http::body::pull([&]() -> awaitable<std::optional<weft::bytes>> {
            ++made;
            co_await sleep_for(100ms);
            co_return weft::bytes(std::string(1000, 'x'));
        });
        http::response r = co_await client.post("http://a/").body(std::move(endless)).send();
        CHECK(r.status() == 403);
        std::string text = co_await r.body().text();
        CHECK(text == "no");
        const int then = made;
        co_await sleep_for(10s);
        CHECK(made <= then + 1);
        auto next = co_await client.get("http://a/").send();
        CHECK(next.status() == 403);
        CHECK(mock.connections() == 2);
    });
}

TEST_CASE("an early response that closes reaches a client that is still sending") {
    testing::run([]() -> awaitable<void> {
        http::client client{to(count_bytes, {.max_body = 1000})};
        http::response r = co_await client.post("http://a/").body(std::string(60'000, 'x')).send();
        CHECK(r.status() == 413);
        http::response s = co_await client.post("http://a/").body(pieces(10'000, 1ms)).send();
        CHECK(s.status() == 413);
    });
}

TEST_CASE(
    "an upload that fails fails the exchange with what the source threw, and the server never sees "
    "it whole") {
    for (bool sized : {false, true}) {
        testing::run([&]() -> awaitable<void> {
            bool whole = false;
            bool failed = false;
            auto mock = to([&](http::request r) -> awaitable<http::response> {
                auto read = co_await attempt(r.body().discard());
                (read ? whole : failed) = true;
                co_return http::text("x");
            });
            http::client client{mock};
            auto bad = http::body::pull(
                [n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                    co_await sleep_for(1s);
                    if (n++ == 1) throw failure(failure_kind::rejected, "the disk is gone");
                    co_return weft::bytes("abc");
                },
                sized ? std::optional<std::uint64_t>(100) : std::nullopt);
            auto r = co_await attempt(client.post("http://a/").body(std::move(bad)).send());
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::rejected);
            CHECK(r.error().delivered() == delivery::unknown);
            co_await sleep_for(1s);
            CHECK(!whole);
            CHECK(failed);
        });
    }
}

TEST_CASE("an upload that fails after the response began does not look whole either") {
    testing::run([]() -> awaitable<void> {
        http::client client{to(echo)};
        auto bad = http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            co_await sleep_for(1s);
            if (n++ == 1) throw failure(failure_kind::rejected, "the disk is gone");
            co_return weft::bytes("abc");
        });
        const auto start = now_of(co_await asio::this_coro::executor);
        http::response r = co_await client.post("http://a/").body(std::move(bad)).send();
        auto text = co_await attempt(r.body().text());
        CHECK(!text);
        CHECK(now_of(co_await asio::this_coro::executor) - start < 5s);  // not a time limit
    });
}

TEST_CASE("a body that is not as long as its Content-Length is the caller's fault") {
    for (int n : {1, 3}) {
        testing::run([&]() -> awaitable<void> {
            http::client client{to(count_bytes)};
            auto r = co_await attempt(
                client.post("http://a/").header("Content-Length", "20").body(pieces(n)).send());
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::invalid_input);
        });
    }
    testing::run([]() -> awaitable<void> {
        http::client client{to(count_bytes)};
        http::response r =
            co_await client.post("http://a/").header("Content-Length", "20").body(pieces(2)).send();
        std::string text = co_await r.body().text();
        CHECK(text == "20");
    });
}

TEST_CASE("100-continue: the body waits for the server's word") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto mock = to([](http::request r) -> awaitable<http::response> {
            if (r.path() == "/no") co_return http::text("no", 403);
            co_await sleep_for(500ms);
            co_return co_await count_bytes(std::move(r));
        });
        http::client client{mock};
        const auto start = now_of(ex);
        http::response r =
            co_await client.post("http://a/").header("Expect", "100-continue").body("abc").send();
        std::string text = co_await r.body().text();
        CHECK(text == "3");
        CHECK(now_of(ex) - start == 500ms);
        CHECK(mock.connections() == 1);
        // Refused: nothing of the body is sent, and no time is lost.
        int pulled = 0;
        auto body = http::body::pull([&]() -> awaitable<std::optional<weft::bytes>> {
            ++pulled;
            co_return std::nullopt;
        });
        http::response no = co_await client.post("http://a/no")
                                .header("Expect", "100-continue")
                                .body(std::move(body))
                                .send();
        CHECK(no.status() == 403);
        text = co_await no.body().text();
        CHECK(pulled == 0);
        CHECK(now_of(ex) - start == 500ms);
        // Without content there is nothing to wait for.
        http::response none =
            co_await client.get("http://a/").header("Expect", "100-continue").send();
        CHECK(none.status() == 200);
    });
}

TEST_CASE("100-continue: a server that never says it gets the body after a second") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::client client{scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            std::string body = co_await c.take(3);
            CHECK(body == "abc");
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            co_await c.rest();
        })};
        const auto start = now_of(ex);
        http::response r =
            co_await client.post("http://a/").header("Expect", "100-continue").body("abc").send();
        CHECK(r.status() == 200);
        CHECK(now_of(ex) - start >= 1s);
        CHECK(now_of(ex) - start <= 1010ms);
        co_await r.body().discard();
    });
}

TEST_CASE("a client upgrades, with what the server sent ahead") {
    testing::run([]() -> awaitable<void> {
        auto mock = scripted([](peer& c) -> awaitable<void> {
            std::string head = co_await c.until("\r\n\r\n");
            CHECK(has(head, "Connection: upgrade\r\n"));
            co_await c.say(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: "
                "upgrade\r\n\r\nahead");
            std::string got = co_await c.take(5);
            co_await c.say(got);
        });
        http::client client{mock};
        http::response r = co_await client.get("http://a/").header("Upgrade", "echo").send();
        CHECK(r.status() == 101);
        peer tunnel(r.take_upgraded());
        REQUIRE(tunnel.stream);
        co_await tunnel.say("hello");
        std::string all = co_await tunnel.rest();
        CHECK(all == "aheadhello");
        // Not switched: a response as any other.
        http::client plain{to(hello)};
        http::response no = co_await plain.get("http://a/").header("Upgrade", "echo").send();
        CHECK(no.status() == 200);
        CHECK(!no.take_upgraded());
        std::string text = co_await no.body().text();
        CHECK(text == "Hello, world");
    });
}

TEST_CASE("CONNECT gives the tunnel") {
    testing::run([]() -> awaitable<void> {
        http::client client{scripted([](peer& c) -> awaitable<void> {
            std::string head = co_await c.until("\r\n\r\n");
            CHECK(head.starts_with("CONNECT b:443 HTTP/1.1\r\n"));
            co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
            std::string got = co_await c.take(5);
            co_await c.say(got);
        })};
        http::response r = co_await client.request(http::method::connect, "http://b:443").send();
        peer tunnel(r.take_upgraded());
        REQUIRE(tunnel.stream);
        co_await tunnel.say("hello");
        std::string all = co_await tunnel.rest();
        CHECK(all == "hello");
    });
}
