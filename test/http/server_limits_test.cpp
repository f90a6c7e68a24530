// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

using namespace peers;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How long `body` took, in virtual milliseconds.
template <class Body>
awaitable<long long> took(Body body) {
    auto ex = co_await asio::this_coro::executor;
    const auto start = now_of(ex);
    co_await body();
    co_return std::chrono::duration_cast<std::chrono::milliseconds>(now_of(ex) - start).count();
}

}  // namespace

TEST_CASE("a head that drips in is given ten seconds from its first byte, then 408") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        co_await sleep_for(50s);  // waiting for a first byte is another limit
        auto drip = [&]() -> awaitable<void> {
            auto sent = co_await attempt([](peer& p) -> awaitable<void> {
                for (;;) {
                    co_await p.say("G");
                    co_await sleep_for(1s);
                    if (!p.stream) break;
                    std::array<char, 1> byte;
                    io::error_code ec;
                    if (p.stream.try_read(asio::buffer(byte), ec) == 1) {
                        p.got.push_back(byte[0]);
                        co_return;
                    }
                    if (ec != asio::error::would_block) co_return;
                }
            }(c));
        };
        const long long ms = co_await took(drip);
        CHECK(ms >= 10'000);
        CHECK(ms <= 11'010);
        std::string all = co_await c.rest();
        CHECK(all.starts_with("HTTP/1.1 408 "));
        CHECK(has(all, "Connection: close"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("an idle connection is closed after sixty seconds, also the first time, without a word") {
    for (bool used : {false, true}) {
        with_server(hello, {}, [used](peer& c) -> awaitable<void> {
            if (used) {
                co_await c.say(get);
                co_await c.until("Hello, world");
            }
            std::string all;
            const long long ms =
                co_await took([&]() -> awaitable<void> { all = co_await c.rest(); });
            CHECK(all.empty());
            CHECK(ms >= 60'000);
            CHECK(ms <= 60'010);
            CHECK(c.ended_well());
        });
    }
}

TEST_CASE("empty lines do not keep a connection open") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        const long long ms = co_await took([&]() -> awaitable<void> {
            co_await sleep_for(30s);
            co_await c.say("\r\n");
            co_await c.rest();
        });
        CHECK(ms <= 90'010);
    });
}

TEST_CASE("a body that stalls is given thirty seconds, then 408") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_await r.body().discard();
        co_return http::text("all");
    };
    with_server(app, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        std::string all;
        const long long ms = co_await took([&]() -> awaitable<void> { all = co_await c.head(); });
        CHECK(all.starts_with("HTTP/1.1 408"));
        CHECK(ms >= 30'000);
        CHECK(ms <= 30'010);
    });
}

TEST_CASE("a body that drips in slower than the least rate is refused") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_await r.body().discard();
        co_return http::text("all");
    };
    for (std::size_t rate : {10u, 1000u}) {
        CAPTURE(rate);
        with_server(app, {}, [rate](peer& c) -> awaitable<void> {
            const std::size_t total = rate * 50;
            co_await c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                           std::to_string(total) + "\r\n\r\n");
            auto sent = co_await attempt([](peer& p, std::size_t n) -> awaitable<void> {
                for (int i = 0; i < 50; ++i) {
                    co_await p.say(std::string(n, 'x'));
                    co_await sleep_for(1s);
                }
            }(c, rate));
            std::string all = co_await c.head();
            CHECK(all.starts_with(rate == 10 ? "HTTP/1.1 408" : "HTTP/1.1 200"));
        });
    }
}

TEST_CASE("a slow handler is no slow body") {
    auto app = [](http::request r) -> awaitable<http::response> {
        while (co_await r.body().next()) co_await sleep_for(100s);
        co_return http::text("all");
    };
    with_server(app, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
        co_await sleep_for(50s);
        co_await c.say("defghij");
        std::string all = co_await c.head();
        CHECK(all.starts_with("HTTP/1.1 200"));
    });
}

TEST_CASE("a peer that takes nothing of a response is given thirty seconds") {
    bool streamed = false;
    bool ended = false;
    auto app = [&](http::request) -> awaitable<http::response> {
        if (!streamed) co_return http::text(std::string(1'000'000, 'x'));
        http::response r;
        r.set_body(http::body::pull([]() -> awaitable<std::optional<weft::bytes>> {
            co_return weft::bytes(std::string(10'000, 'x'));
        }));
        co_return r;
    };
    for (bool how : {false, true}) {
        streamed = how;
        ended = false;
        testing::run([&]() -> awaitable<void> {
            http::server server(app);
            auto [near, far] = io::duplex(co_await asio::this_coro::executor, 4096);
            peer c(std::move(near));
            io::stream end = std::move(far);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> {
                    co_await server.serve(std::move(end));
                    ended = true;
                });
                co_await c.say(get);
                co_await c.take(10);
                co_await sleep_for(29s);
                CHECK(!ended);
                co_await c.take(10'000);  // something was taken: the time begins again
                co_await sleep_for(29s);
                CHECK(!ended);
                co_await sleep_for(2s);
                CHECK(ended);
                co_await c.rest();
                CHECK(!c.ended_well());
            });
        });
    }
}

TEST_CASE("after an error the connection lingers for two seconds, and the response arrives") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("BROKEN\r\n\r\n" + std::string(50'000, 'x'));
        std::string all;
        const long long ms = co_await took([&]() -> awaitable<void> {
            co_await sleep_for(500ms);
            co_await c.say(std::string(50'000, 'x'));  // it still sends, as it has not looked yet
            all = co_await c.rest();
        });
        CHECK(all.starts_with("HTTP/1.1 400 "));
        CHECK(has(all, "Connection: close"));
        CHECK(c.ended_well());
        CHECK(ms <= 600);  // the end of what is sent is seen at once
    });
    bool ended = false;
    testing::run([&]() -> awaitable<void> {
        http::server server(hello);
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer c(std::move(near));
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await server.serve(std::move(end));
                ended = true;
            });
            co_await c.say("BROKEN\r\n\r\n");
            co_await sleep_for(1900ms);
            CHECK(!ended);
            co_await sleep_for(200ms);
            CHECK(ended);
        });
    });
}

TEST_CASE(
    "too long a request line is answered 414, too large a header block and too many fields 431") {
    auto long_line = "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(answer_to(long_line, hello).starts_with("HTTP/1.1 414 "));
    auto large = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n";
    CHECK(answer_to(large, hello).starts_with("HTTP/1.1 431 "));
    std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 100; ++i) many += "X: y\r\n";
    CHECK(answer_to(many + "\r\n", hello).starts_with("HTTP/1.1 431 "));
    auto fits = "GET /?name=" + std::string(8000, 'x') +
                " HTTP/1.1\r\nHost: a\r\nX: " + std::string(16'000, 'x') + "\r\n\r\n";
    CHECK(answer_to(fits, hello).starts_with("HTTP/1.1 200 "));
}

TEST_CASE("garbage of any kind ends in one refusal") {
    const std::string rows[] = {
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "GET\r\n\r\n",
        std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 34),
        "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
        std::string(100'000, 'A'),
        std::string(100'000, '\0'),
    };
    for (const std::string& text : rows) {
        CAPTURE(text.substr(0, 40));
        with_server(hello, {}, [&](peer& c) -> awaitable<void> {
            auto sent = co_await attempt(c.say(text + get));
            std::string all = co_await c.rest();
            CHECK((all.starts_with("HTTP/1.1 4") || all.starts_with("HTTP/1.1 5")));
            CHECK(count(all, "HTTP/1.1 ") == 1);
            CHECK(c.ended_well());
        });
    }
}
