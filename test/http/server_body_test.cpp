// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/body.hpp>
#include <weft/runtime/event.hpp>

using namespace peers;

namespace {

std::string post(std::size_t length, std::string_view fields = "") {
    return std::string("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ")
        .append(std::to_string(length))
        .append("\r\n")
        .append(fields)
        .append("\r\n");
}
const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("a source is not pulled while the peer does not read") {
    std::size_t made = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        http::response r;
        r.set_body(http::body::pull([&]() -> awaitable<std::optional<weft::bytes>> {
            if (made == 1000) co_return std::nullopt;
            ++made;
            co_return weft::bytes(std::string(1024, 'x'));
        }));
        co_return r;
    };
    with_server(
        app, {},
        [&](peer& c) -> awaitable<void> {
            co_await c.say(get);
            co_await c.take(1);
            co_await sleep_for(1s);
            CHECK(made < 150);  // 64 KiB of output waits, and as much may be on its way
            co_await c.until("\r\n0\r\n\r\n");
            CHECK(made == 1000);
        },
        4096);
}

TEST_CASE("a body that is not pulled is not read") {
    auto app = [&](http::request r) -> awaitable<http::response> {
        co_await sleep_for(5s);
        std::string all = co_await r.body().text(4 * 1024 * 1024);
        co_return http::text(std::to_string(all.size()));
    };
    with_server(
        app, {},
        [&](peer& c) -> awaitable<void> {
            co_await c.say(post(1'000'000));
            std::string piece(1000, 'x');
            auto part =
                co_await attempt(with_deadline(1s, [](peer& p, std::string x) -> awaitable<void> {
                    for (int i = 0; i < 1000; ++i) co_await p.say(x);
                }(c, piece)));
            CHECK(!part);
        },
        4096);
}

TEST_CASE("a small unread body is thrown away and the connection kept") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(post(50'000) + std::string(50'000, 'x') + get);
        std::string first = co_await c.head();
        CHECK(!has(first, "Connection: close"));
        co_await c.take(12);
        std::string second = co_await c.head();
        CHECK(second.starts_with("HTTP/1.1 200 OK"));
    });
}

TEST_CASE("a large unread body costs the connection, and the response arrives") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(post(1'000'000) + std::string(30'000, 'x'));
        std::string first = co_await c.head();
        CHECK(has(first, "Connection: close"));
        co_await c.say(std::string(30'000, 'x'));
        std::string all = co_await c.rest();
        CHECK(all == "Hello, world");
        CHECK(c.ended_well());
    });
}

TEST_CASE("a body that pretends to be small and never comes costs two seconds") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        const auto start = now_of(co_await asio::this_coro::executor);
        co_await c.say(post(100));
        std::string all = co_await c.rest();
        CHECK(has(all, "Hello, world"));
        CHECK(now_of(co_await asio::this_coro::executor) - start < 5s);
    });
}

TEST_CASE("a body that outlives its connection fails and does not dangle") {
    std::optional<http::request> kept;
    auto app = [&](http::request r) -> awaitable<http::response> {
        kept.emplace(std::move(r));
        co_return http::text("kept");
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(post(10) + "abc");
        co_await c.until("kept");
        c.stream.close();
        co_await sleep_for(10s);
        REQUIRE(kept);
        auto pulled = co_await attempt(kept->body().next());
        REQUIRE(!pulled);
        CHECK(pulled.error().kind() == failure_kind::unavailable);
        kept.reset();
    });
}

TEST_CASE("what follows a response is not taken by a body that was kept") {
    std::optional<http::request> kept;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.method() == http::method::get) co_return http::text("got");
        kept.emplace(std::move(r));
        co_return http::text("kept");
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(post(10) + "abc");
        co_await c.until("kept");
        // Somebody pulls while the connection throws the rest away.
        auto pulled = co_await attempt(kept->body().next());
        REQUIRE(!pulled);
        CHECK(pulled.error().kind() == failure_kind::unavailable);
        co_await c.say("defghij" + get);
        std::string next = co_await c.until("got");
        CHECK(next.starts_with("HTTP/1.1 200 OK"));
        kept.reset();
    });
}

TEST_CASE("two pulls at once: the second is refused, the first goes on") {
    auto app = [&](http::request r) -> awaitable<http::response> {
        std::string first;
        failure_kind second = failure_kind::internal;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { first = co_await r.body().text(); });
            co_await sleep_for(1ms);
            auto other = co_await attempt(r.body().next());
            REQUIRE(!other);
            second = other.error().kind();
            co_await sleep_for(1s);
        });
        CHECK(second == failure_kind::invalid_input);
        co_return http::text(first);
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(post(3));
        co_await sleep_for(10ms);
        co_await c.say("abc");
        std::string all = co_await c.until("\r\n\r\nabc");
        CHECK(all.ends_with("abc"));
    });
}

TEST_CASE("a body may be pulled by another coroutine than the handler") {
    auto app = [&](http::request r) -> awaitable<http::response> {
        auto [writer, reader] = http::body::channel(2);
        co_return co_await with_scope(
            [&, w = std::move(writer)](task_scope& s) mutable -> awaitable<http::response> {
                s.spawn([&]() -> awaitable<void> {
                    while (auto chunk = co_await r.body().next()) co_await w.write(*chunk);
                    w.close();
                });
                std::string all = co_await reader.text();
                co_return http::text(all);
            });
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(post(6));
        for (const char* part : {"ab", "cd", "ef"}) {
            co_await sleep_for(10ms);
            co_await c.say(part);
        }
        std::string all = co_await c.until("abcdef");
        CHECK(all.ends_with("abcdef"));
    });
}

TEST_CASE("a cancelled pull loses no byte") {
    auto app = [&](http::request r) -> awaitable<http::response> {
        std::string all;
        for (;;) {
            auto got = co_await attempt(with_deadline(3ms, r.body().next()));
            if (!got) continue;
            if (!*got) break;
            all += (*got)->view();
        }
        co_return http::text(all);
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(post(10));
        for (char byte : "0123456789"sv) {
            co_await sleep_for(7ms);
            co_await c.say(std::string(1, byte));
        }
        std::string all = co_await c.until("0123456789");
        CHECK(all.ends_with("0123456789"));
    });
}

TEST_CASE("a body larger than allowed is answered 413") {
    auto app = [](http::request r) -> awaitable<http::response> {
        std::uint64_t n = co_await r.body().discard();
        co_return http::text(std::to_string(n));
    };
    const http::server_options small{.max_body = 10, .half_close = true};
    CHECK(answer_to(post(10) + "0123456789", app, small).starts_with("HTTP/1.1 200"));
    CHECK(answer_to(post(11) + "0123456789a", app, small).starts_with("HTTP/1.1 413"));
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(answer_to(chunked + "a\r\n0123456789\r\n0\r\n\r\n", app, small)
              .starts_with("HTTP/1.1 200"));
    const std::string late =
        answer_to(chunked + "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n" + get, app, small);
    CHECK(late.starts_with("HTTP/1.1 413"));
    CHECK(has(late, "Connection: close"));
    CHECK(count(late, "HTTP/1.1") == 1);
}

TEST_CASE("a body larger than its handler takes is answered 413") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text(co_await r.body().text(10));
    };
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    CHECK(answer_to(post(10) + "0123456789", app).starts_with("HTTP/1.1 200"));
    CHECK(answer_to(post(11) + "0123456789a", app).starts_with("HTTP/1.1 413"));
    CHECK(answer_to(chunked + "6\r\n012345\r\n5\r\n6789a\r\n0\r\n\r\n", app)
              .starts_with("HTTP/1.1 413"));
}

TEST_CASE("what is wrong with another server's response is not blamed on the client") {
    struct row {
        std::string said;
        std::string status;
    };
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    const row rows[] = {
        {ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n", "502"},
        {ok + "Content-Length: 5\r\n\r\nab", "504"},        // and nothing more
        {ok + "Content-Length: 5000000\r\n\r\nab", "503"},  // more than the gateway takes
    };
    for (const row& r : rows) {
        CAPTURE(r.said);
        auto upstream = scripted([&r](peer& c) -> awaitable<void> {
            co_await c.head();
            co_await c.say(r.said);
            co_await c.rest();
        });
        http::client client(upstream);
        auto gateway = [&client](http::request) -> awaitable<http::response> {
            http::response inner = co_await client.get("http://up.test/").send();
            co_return http::text(co_await inner.body().text());
        };
        CHECK(answer_to(get, gateway).substr(9, 3) == r.status);
    }
}

TEST_CASE("a malformed chunk is answered 400 and nothing after it is read") {
    auto app = [](http::request r) -> awaitable<http::response> {
        std::uint64_t n = co_await r.body().discard();
        co_return http::text(std::to_string(n));
    };
    const std::string answer = answer_to(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n" +
            get,
        app);
    CHECK(answer.starts_with("HTTP/1.1 400"));
    CHECK(has(answer, "Connection: close"));
    CHECK(count(answer, "HTTP/1.1") == 1);
    // Nobody looked at it: the response is good, and still nothing after it is read.
    const std::string unread = answer_to(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n" +
            get,
        hello);
    CHECK(unread.starts_with("HTTP/1.1 200"));
    CHECK(count(unread, "HTTP/1.1") == 1);
}

TEST_CASE("a source that fails in the middle resets the connection") {
    for (bool sized : {false, true}) {
        auto app = [sized](http::request) -> awaitable<http::response> {
            http::response r;
            if (sized) r.headers().set("Content-Length", "6");
            r.set_body(http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                if (n++ == 1) throw failure(failure_kind::internal, "the disk is gone");
                co_return weft::bytes("abc");
            }));
            co_return r;
        };
        with_server(app, {}, [](peer& c) -> awaitable<void> {
            co_await c.say(get);
            std::string all = co_await c.rest();
            CHECK(!c.ended_well());
            CHECK(!has(all, "0\r\n\r\n"));
            CHECK(!has(all, "disk"));
        });
    }
}

TEST_CASE("a large response in memory reaches a client that has half-closed and reads slowly") {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::text(std::string(500'000, 'x'));
    };
    for (bool half_close : {false, true}) {
        CAPTURE(half_close);
        with_server(
            app, {.half_close = half_close},
            [](peer& c) -> awaitable<void> {
                co_await c.say(get);
                co_await c.head();
                co_await c.stream.shutdown_send();
                co_await sleep_for(1s);
                std::string all = co_await c.rest();
                CHECK(all.size() == 500'000);
                CHECK(c.ended_well());
            },
            4096);
    }
}
