// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

using namespace peers;

namespace {

std::string request_line(std::string_view line, std::string_view fields = "") {
    return std::string(line).append("\r\nHost: a\r\n").append(fields).append("\r\n");
}

/// A body whose size nobody knows.
http::body pieces(std::vector<std::string> texts) {
    return http::body::pull(
        [texts = std::move(texts),
         i = std::size_t{0}]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (i == texts.size()) co_return std::nullopt;
            co_return weft::bytes(texts[i++]);
        });
}

const auto streamed = [](http::request) -> awaitable<http::response> {
    http::response r;
    r.set_body(pieces({"one", "two"}));
    co_return r;
};

}  // namespace

TEST_CASE("HTTP/1.0 closes after one response, unless it asks for keep-alive") {
    CHECK(answer_to("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", hello, {}, false) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
          "Content-Length: 12\r\n\r\nHello, world");
    const std::string two =
        answer_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", hello);
    CHECK(count(two, "Hello, world") == 2);
    CHECK(count(two, "Connection: keep-alive\r\n") == 1);
    CHECK(count(two, "Connection: close\r\n") == 1);
}

TEST_CASE("a body of unknown size is chunked in HTTP/1.1 and ends the connection in HTTP/1.0") {
    CHECK(answer_to(request_line("GET / HTTP/1.1", "Connection: close\r\n"), streamed, {}, false) ==
          "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    CHECK(answer_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", streamed, {}, false) ==
          "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo");
}

TEST_CASE("HEAD gets the head that GET would have got and no content") {
    CHECK(answer_to(request_line("HEAD /?name=Ann HTTP/1.1", "Connection: close\r\n"), hello, {},
                    false) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
          "Content-Length: 10\r\n\r\n");
    CHECK(
        answer_to(request_line("HEAD / HTTP/1.1", "Connection: close\r\n"), streamed, {}, false) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    // The length that the application knows, without making the content.
    auto known = [](http::request) -> awaitable<http::response> {
        http::response r;
        r.headers().set("Content-Length", "12345");
        co_return r;
    };
    CHECK(answer_to(request_line("HEAD / HTTP/1.1", "Connection: close\r\n"), known, {}, false) ==
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12345\r\n\r\n");
    const std::string both =
        answer_to(request_line("HEAD / HTTP/1.1") + request_line("GET / HTTP/1.1"), hello);
    CHECK(count(both, "HTTP/1.1 200 OK") == 2);
    CHECK(count(both, "Hello, world") == 1);
}

TEST_CASE("204 and 304 have no content, whatever the application gave") {
    for (int code : {204, 304}) {
        CAPTURE(code);
        auto app = [code](http::request) -> awaitable<http::response> {
            co_return http::response(http::status(code), http::body("content"));
        };
        const std::string answer =
            answer_to(request_line("GET / HTTP/1.1") + request_line("GET / HTTP/1.1"), app);
        CHECK(count(answer, "HTTP/1.1 ") == 2);
        CHECK(!has(answer, "content\r\n"));
        CHECK(answer.ends_with("\r\n\r\n"));
        CHECK(!has(answer, "Transfer-Encoding"));
        CHECK(has(answer, "Content-Length: 7") == (code == 304));
    }
    auto known = [](http::request) -> awaitable<http::response> {
        http::response r(http::status::not_modified);
        r.headers().set("Content-Length", "42");
        co_return r;
    };
    CHECK(has(answer_to(request_line("GET / HTTP/1.1"), known), "Content-Length: 42\r\n"));
}

TEST_CASE("an empty response says that it is empty") {
    auto app = [](http::request) -> awaitable<http::response> { co_return http::response(); };
    CHECK(answer_to(request_line("GET / HTTP/1.1"), app) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("a Content-Length of the application sizes a body of unknown size") {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer;
        answer.headers().set("Content-Length", r.query("n").value());
        answer.headers().set("Transfer-Encoding", "gzip");
        answer.set_body(pieces({"one", "two"}));
        co_return answer;
    };
    CHECK(answer_to(request_line("GET /?n=6 HTTP/1.1"), app) ==
          "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo");
    // A message that is not what its head said must not look whole: the connection is reset.
    for (const char* wrong : {"5", "7", "0"}) {
        CAPTURE(wrong);
        with_server(app, {}, [&](peer& c) -> awaitable<void> {
            co_await c.say(request_line("GET /?n=" + std::string(wrong) + " HTTP/1.1"));
            const std::string answer = co_await c.rest();
            CHECK(!c.ended_well());
        });
    }
}

TEST_CASE("Connection: close of the application ends the connection") {
    auto app = [](http::request) -> awaitable<http::response> {
        http::response r = http::text("bye");
        r.headers().set("Connection", "close");
        co_return r;
    };
    const std::string answer =
        answer_to(request_line("GET / HTTP/1.1") + request_line("GET / HTTP/1.1"), app, {}, false);
    CHECK(count(answer, "bye") == 1);
    CHECK(count(answer, "Connection: close\r\n") == 1);
}

TEST_CASE("trailers reach the application and are sent") {
    auto app = [](http::request r) -> awaitable<http::response> {
        const std::string text = co_await r.body().text();
        http::headers* got = r.body().trailers();
        REQUIRE(got);
        http::headers out{{"X-Sum", got->get("X-Sum").value()}, {"Content-Length", "99"}};
        http::response answer;
        answer.set_body(http::body(text).with_trailers(std::move(out)));
        co_return answer;
    };
    CHECK(answer_to(request_line("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n") +
                        "3\r\nabc\r\n0\r\nX-Sum: 7\r\nTransfer-Encoding: gzip\r\n\r\n",
                    app) ==
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n");
}

TEST_CASE("trailers pass through an echo") {
    CHECK(answer_to(request_line("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\n") +
                        "3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n",
                    echo) ==
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n");
}

TEST_CASE("100 Continue is sent when the body is pulled, once, and before the response") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text(co_await r.body().text());
    };
    for (const http::any_app& use : {http::any_app(app), http::any_app(echo)}) {
        with_server(use, {}, [](peer& c) -> awaitable<void> {
            co_await c.say(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
            std::string first = co_await c.head();
            CHECK(first == "HTTP/1.1 100 Continue\r\n\r\n");
            co_await c.say("abc");
            std::string second = co_await c.head();
            CHECK(second.starts_with("HTTP/1.1 200 OK\r\n"));
            std::string body = co_await c.take(3);
            CHECK(body == "abc");
            co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            std::string third = co_await c.head();
            CHECK(third.starts_with("HTTP/1.1 200 OK\r\n"));
        });
    }
}

TEST_CASE("a body that is not wanted is not asked for, and costs the connection") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        co_await c.say(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        std::string answer = co_await c.rest();
        CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        CHECK(has(answer, "Connection: close\r\n"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("no 100 Continue when the body is there already, is empty, or the client is HTTP/1.0") {
    const std::string expect = "Expect: 100-continue\r\nConnection: close\r\n";
    CHECK(answer_to(request_line("POST / HTTP/1.1", expect + "Content-Length: 3\r\n") + "abc", echo,
                    {}, false)
              .starts_with("HTTP/1.1 200"));
    CHECK(answer_to(request_line("POST / HTTP/1.1", expect + "Content-Length: 0\r\n"), echo, {},
                    false)
              .starts_with("HTTP/1.1 200"));
    CHECK(answer_to(request_line("POST / HTTP/1.0", expect + "Content-Length: 3\r\n") + "abc", echo,
                    {}, false)
              .starts_with("HTTP/1.1 200"));
}

TEST_CASE("an unknown expectation is answered 417") {
    const std::string answer = answer_to(
        request_line("GET / HTTP/1.1", "Expect: miracles\r\n") + request_line("GET / HTTP/1.1"),
        hello, {}, false);
    CHECK(answer.starts_with("HTTP/1.1 417 "));
    CHECK(count(answer, "HTTP/1.1") == 1);
}

TEST_CASE("Date is there, once, and moves on with the seconds") {
    with_server(hello, {}, [](peer& c) -> awaitable<void> {
        auto date = [&]() -> awaitable<std::string> {
            co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            std::string head = co_await c.until("\r\n\r\n");
            CHECK(count(head, "Date: ") == 1);
            std::string body = co_await c.take(12);
            const std::size_t at = head.find("Date: ") + 6;
            co_return head.substr(at, head.find("\r\n", at) - at);
        };
        std::string first = co_await date();
        CHECK(first == "Mon, 01 Jan 2024 00:00:00 GMT");
        co_await sleep_for(900ms);
        std::string second = co_await date();
        CHECK(second == first);
        co_await sleep_for(1200ms);
        std::string third = co_await date();
        CHECK(third == "Mon, 01 Jan 2024 00:00:02 GMT");
    });
    auto own = [](http::request) -> awaitable<http::response> {
        http::response r = http::text("x");
        r.headers().set("Date", "Tue, 02 Jan 2024 00:00:00 GMT");
        co_return r;
    };
    with_server(own, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        std::string head = co_await c.until("\r\n\r\n");
        CHECK(count(head, "Date: ") == 1);
        CHECK(has(head, "Tue, 02 Jan"));
    });
}

TEST_CASE(
    "a request leads to the facts of its connection, and a thousand leave them as they were") {
    struct peer_name {
        std::string name;
    };
    std::vector<std::string> seen;
    auto app = [&](http::request r) -> awaitable<http::response> {
        r.extensions().insert(int(seen.size()));
        REQUIRE(r.extensions().ingress());
        seen.push_back(r.extensions().ingress().get<peer_name>()->name);
        co_return http::response();
    };
    testing::run([&]() -> awaitable<void> {
        http::server server(app);
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer c(std::move(near));
        far.extensions().insert(peer_name{"lisa"});
        extensions_link facts = far.extensions().link();
        io::stream end = std::move(far);
        std::size_t before = 0;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            for (int i = 0; i < 1000; ++i) {
                if (i == 1) before = facts.size();
                co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                co_await c.head();
            }
        });
        CHECK(facts.size() == before);
    });
    CHECK(seen.size() == 1000);
    CHECK(seen.front() == "lisa");
}
