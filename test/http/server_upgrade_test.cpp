// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

using namespace peers;

namespace {

/// Echoes until the end of file.
awaitable<void> echo_bytes(io::stream s) {
    std::array<char, 100> buffer;
    while (std::size_t n = co_await s.read(asio::buffer(buffer)))
        co_await s.write(asio::const_buffer(buffer.data(), n));
}

const auto upgrading = [](http::request r) -> awaitable<http::response> {
    http::response answer(r.method() == http::method::connect ? http::status::ok
                                                              : http::status::switching_protocols);
    if (r.method() != http::method::connect) answer.headers().set("Upgrade", "echo");
    answer.on_upgrade([](io::stream s) -> awaitable<void> { co_await echo_bytes(std::move(s)); });
    co_return answer;
};

const std::string ask = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";

}  // namespace

TEST_CASE("an upgrade hands the stream over, with the bytes that were sent ahead") {
    for (const std::string& ahead :
         {std::string(), std::string("ahead"), std::string(10'000, 'x')}) {
        with_server(upgrading, {}, [&](peer& c) -> awaitable<void> {
            co_await c.say(ask + ahead);
            std::string head = co_await c.head();
            CHECK(
                head ==
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
            co_await c.say("more");
            std::string echoed = co_await c.take(ahead.size() + 4);
            CHECK(echoed == ahead + "more");
            co_await c.stream.shutdown_send();
            std::string rest = co_await c.rest();
            CHECK(rest.empty());
            CHECK(c.ended_well());
        });
    }
}

TEST_CASE("an upgrade may come with a body, which is read before") {
    auto app = [](http::request r) -> awaitable<http::response> {
        CHECK(co_await r.body().text() == "abc");
        co_return co_await upgrading(std::move(r));
    };
    for (const http::any_app& use : {http::any_app(app), http::any_app(upgrading)}) {
        with_server(use, {}, [](peer& c) -> awaitable<void> {
            co_await c.say(
                "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n"
                "Content-Length: 3\r\n\r\nab");
            co_await sleep_for(10ms);
            co_await c.say("cdef");
            std::string head = co_await c.head();
            CHECK(head.starts_with("HTTP/1.1 101 "));
            std::string echoed = co_await c.take(3);
            CHECK(echoed == "def");
        });
    }
}

TEST_CASE("an upgrade whose body cannot be thrown away is answered all the same") {
    with_server(upgrading, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(
            "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n"
            "Content-Length: 1000000\r\n\r\n");
        std::string all = co_await c.rest();
        CHECK(all.starts_with("HTTP/1.1 500 "));
        CHECK(c.ended_well());
    });
}

TEST_CASE("an upgrade whose body was not asked for is not waited for") {
    with_server(upgrading, {}, [](peer& c) -> awaitable<void> {
        const auto start = now_of(co_await asio::this_coro::executor);
        co_await c.say(
            "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\n"
            "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        std::string head = co_await c.head();
        CHECK(head.starts_with("HTTP/1.1 500 "));
        const std::string why = co_await c.until("\n");
        CHECK(has(why, "without having read the request"));
        CHECK(now_of(co_await asio::this_coro::executor) == start);
        c.stream.close();
    });
}

TEST_CASE("CONNECT gets its tunnel, without Connection and length") {
    with_server(upgrading, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nhi");
        std::string head = co_await c.head();
        CHECK(head == "HTTP/1.1 200 OK\r\n\r\n");
        std::string echoed = co_await c.take(2);
        CHECK(echoed == "hi");
    });
}

TEST_CASE("what follows a CONNECT that was refused is not read as requests") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text("no", r.method() == http::method::connect ? 403 : 200);
    };
    with_server(app, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: "
            "a\r\n\r\n");
        std::string all = co_await c.rest();
        CHECK(all.starts_with("HTTP/1.1 403 "));
        CHECK(has(all, "Connection: close\r\n"));
        CHECK(count(all, "HTTP/1.1 ") == 1);
    });
}

TEST_CASE("an upgrade that was not asked for is a 500") {
    const std::string requests[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade, keep-alive\r\n\r\n",
    };
    for (const std::string& text : requests) {
        CAPTURE(text);
        CHECK(answer_to(text, upgrading).starts_with("HTTP/1.1 500 "));
    }
    // 101 without somebody to take the connection, or somebody without 101.
    auto no_taker = [](http::request) -> awaitable<http::response> {
        co_return http::response(101);
    };
    CHECK(answer_to(ask, no_taker).starts_with("HTTP/1.1 500 "));
    auto no_101 = [](http::request) -> awaitable<http::response> {
        http::response r = http::text("fine");
        r.on_upgrade([](io::stream s) -> awaitable<void> { co_await echo_bytes(std::move(s)); });
        co_return r;
    };
    CHECK(answer_to(ask, no_101).starts_with("HTTP/1.1 500 "));
}

TEST_CASE("an upgraded connection that fails is not thrown out of serve") {
    auto app = [](http::request) -> awaitable<http::response> {
        http::response r(http::status::switching_protocols);
        r.on_upgrade([](io::stream) -> awaitable<void> {
            throw failure(failure_kind::internal, "oh");
            co_return;
        });
        co_return r;
    };
    with_server(app, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(ask);
        co_await c.head();
        co_await c.rest();
        CHECK(c.end);
    });
}

TEST_CASE("an upgraded connection keeps the store of its connection") {
    struct fact {
        int n;
    };
    int seen = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        http::response r(http::status::switching_protocols);
        r.on_upgrade([&](io::stream s) -> awaitable<void> {
            seen = s.extensions().get<fact>()->n;
            co_return;
        });
        co_return r;
    };
    testing::run([&]() -> awaitable<void> {
        http::server server(app);
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer c(std::move(near));
        far.extensions().insert(fact{7});
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            co_await c.say(ask + "ahead");
            co_await c.rest();
        });
    });
    CHECK(seen == 7);
}
