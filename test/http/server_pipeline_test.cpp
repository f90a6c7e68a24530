// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

using namespace peers;

namespace {

const auto slow = [](http::request r) -> awaitable<http::response> {
    if (const auto ms = r.query("ms"))
        co_await sleep_for(std::chrono::milliseconds(std::stoi(*ms)));
    co_return http::text(std::string(r.path()));
};

std::string get(std::string_view target, std::string_view fields = "") {
    return std::string("GET ")
        .append(target)
        .append(" HTTP/1.1\r\nHost: a\r\n")
        .append(fields)
        .append("\r\n");
}

}  // namespace

TEST_CASE("sixteen pipelined requests are answered in order by one write") {
    testing::run([]() -> awaitable<void> {
        http::server server(slow);
        auto counts = std::make_shared<write_count>();
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer c(std::move(near));
        io::stream end = counted(std::move(far), counts);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            std::string all;
            for (int i = 0; i < 16; ++i) all += get("/" + std::to_string(i));
            co_await c.say(all);
            for (int i = 0; i < 16; ++i) {
                std::string head = co_await c.head();
                CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
                const std::string want = "/" + std::to_string(i);
                std::string body = co_await c.take(want.size());
                CHECK(body == want);
            }
            CHECK(counts->writes == 1);
            co_await c.say(get("/last"));
            co_await c.until("/last");
            CHECK(counts->writes == 2);
        });
    });
}

TEST_CASE("a slow handler does not hold earlier responses back") {
    with_server(slow, {}, [](peer& c) -> awaitable<void> {
        const auto start = now_of(co_await asio::this_coro::executor);
        co_await c.say(get("/1") + get("/2") + get("/3?ms=5000") + get("/4"));
        co_await c.until("/1");
        co_await c.until("/2");
        CHECK(now_of(co_await asio::this_coro::executor) == start);
        co_await c.until("/3");
        CHECK(now_of(co_await asio::this_coro::executor) == start + 5s);
        co_await c.until("/4");
        CHECK(now_of(co_await asio::this_coro::executor) == start + 5s);
    });
}

TEST_CASE("pipelined requests behind a slow one are answered to a client that has half-closed") {
    with_server(slow, {.half_close = true}, [](peer& c) -> awaitable<void> {
        co_await c.say(get("/1?ms=10") + get("/2?ms=10") + get("/3?ms=10"));
        co_await c.stream.shutdown_send();
        const std::string all = co_await c.rest();
        CHECK(count(all, "HTTP/1.1 200 OK") == 3);
        CHECK(has(all, "/3"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("the handlers of pipelined requests do not run behind a client that has gone") {
    int begun = 0;
    int ended = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        ++begun;
        co_await sleep_for(1s);
        ++ended;
        co_return http::text("late");
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(get("/1") + get("/2") + get("/3"));
        co_await sleep_for(10ms);
        c.stream.close();
        co_await sleep_for(10s);
        CHECK(begun == 1);
        CHECK(ended == 0);
    });
}

TEST_CASE("a client that pipelines and never reads is not answered without end") {
    std::size_t handled = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        ++handled;
        co_return http::response(http::status::no_content);
    };
    with_server(
        app, {},
        [&](peer& c) -> awaitable<void> {
            std::string some;
            for (int i = 0; i < 1000; ++i) some += get("/");
            auto sent = co_await attempt(
                with_deadline(5s, [](peer& p, std::string text) -> awaitable<void> {
                    for (int i = 0; i < 100; ++i) co_await p.say(text);
                }(c, some)));
            CHECK(!sent);
            // 64 KiB of output at most wait here, beside what the transport holds.
            CHECK(handled < 4000);
        },
        4096);
}

TEST_CASE("requests that trickle in byte by byte are understood") {
    with_server(echo, {}, [](peer& c) -> awaitable<void> {
        const std::string text =
            "\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5;x=\"y\"\r\nhello\r\n0\r\nT: 1\r\n\r\n";
        for (int round = 0; round < 3; ++round) {
            for (char byte : text) {
                co_await c.say(std::string(1, byte));
                co_await sleep_for(1ms);
            }
            std::string head = co_await c.head();
            CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
            std::string body = co_await c.until("0\r\nT: 1\r\n\r\n");
            CHECK(has(body, "o\r\n0\r\n"));
        }
    });
}
