// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/client.hpp>
#include <weft/http/json.hpp>

#include <map>

using namespace peers;

namespace {

/// Answers with what it saw.
const auto mirror = [](http::request r) -> awaitable<http::response> {
    std::string text(r.method().text());
    text.append(" ").append(r.target()).append("\n");
    for (const auto& f : r.headers()) text.append(f.name).append(": ").append(f.value).append("\n");
    std::string body = co_await r.body().text();
    co_return http::text(text + "\n" + body);
};

testing::mock_connector to(http::any_app app, http::server_options options = {}) {
    return testing::mock_connector(http::server(std::move(app), options));
}

/// What a client makes of a response that a server writes, and what it sees of the server's end.
struct outcome {
    int status = 0;
    std::string body;
    std::optional<failure> failed;
};

awaitable<outcome> fetch(http::client client, http::method method = http::method::get) {
    outcome o;
    auto r = co_await attempt(client.request(method, "http://a/").send());
    if (!r) {
        o.failed = r.error();
        co_return o;
    }
    o.status = r->status().code();
    auto body = co_await attempt(r->body().text());
    if (body)
        o.body = *body;
    else
        o.failed = body.error();
    co_return o;
}

outcome answered(std::string bytes, bool close = true, http::method method = http::method::get) {
    outcome o;
    testing::run([&]() -> awaitable<void> {
        http::client client{scripted([&](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say(bytes);
            if (!close) co_await c.rest();
        })};
        o = co_await fetch(client, method);
    });
    return o;
}

}  // namespace

TEST_CASE("a request goes out as it was built") {
    testing::run([]() -> awaitable<void> {
        http::client client{to(mirror)};
        auto sent = [](http::request_builder b) -> awaitable<std::string> {
            http::response r = co_await std::move(b).send();
            CHECK(r.status() == 200);
            co_return co_await r.body().text();
        };
        std::string text = co_await sent(
            client.get("http://shop.test/a%20b?x=1#frag").query("q", "Gent & co").query("e", "é"));
        CHECK(text.starts_with("GET /a%20b?x=1&q=Gent%20%26%20co&e=%C3%A9\nHost: shop.test\n"));
        text = co_await sent(client.get("http://shop.test:8080").header("Accept", "a/b"));
        CHECK(text.starts_with("GET /\n"));
        CHECK(has(text, "Host: shop.test:8080\n"));
        CHECK(has(text, "Accept: a/b\n"));
        CHECK(!has(text, "Content-Length"));
        text = co_await sent(client.get("http://[::1]/"));
        CHECK(has(text, "Host: [::1]\n"));
        text = co_await sent(client.get("http://a?x").header("Host", "other"));
        CHECK(text.starts_with("GET /?x\n"));
        CHECK(has(text, "Host: other\n"));
        text = co_await sent(client.post("http://a/").body("abc", "text/plain"));
        CHECK(text.starts_with("POST /\n"));
        CHECK(has(text, "Content-Type: text/plain\n"));
        CHECK(has(text, "Content-Length: 3\n"));
        CHECK(text.ends_with("\nabc"));
        text = co_await sent(client.post("http://a/"));
        CHECK(has(text, "Content-Length: 0\n"));
        text = co_await sent(client.put("http://a/").json(std::map<std::string, int>{{"n", 1}}));
        CHECK(text.starts_with("PUT /\n"));
        CHECK(has(text, "Content-Type: application/json\n"));
        CHECK(text.ends_with("\n{\"n\":1}"));
        text = co_await sent(client.patch("http://a/").body("x"));
        CHECK(text.starts_with("PATCH /\n"));
        text = co_await sent(client.delete_("http://a/"));
        CHECK(text.starts_with("DELETE /\n"));
        text = co_await sent(client.request(http::method("BREW"), "http://a/"));
        CHECK(text.starts_with("BREW /\n"));
        http::response head = co_await client.head("http://a/").send();
        CHECK(head.headers().content_length().value_or(0) > 0);
        CHECK(head.body().empty());
    });
}

TEST_CASE("as reads JSON, and says what was wrong with it") {
    testing::run([]() -> awaitable<void> {
        std::string answer = R"({"a":1,"b":2})";
        http::client client{
            to([&](http::request) -> awaitable<http::response> { co_return http::json(answer); })};
        auto numbers = co_await client.get("http://a/").as<std::map<std::string, int>>();
        CHECK(numbers == std::map<std::string, int>{{"a", 1}, {"b", 2}});
        answer = "{";
        auto broken = co_await attempt(client.get("http://a/").as<std::map<std::string, int>>());
        REQUIRE(!broken);
        CHECK(broken.error().kind() == failure_kind::protocol);
        answer = "[1]";
        auto shape = co_await attempt(client.get("http://a/").as<std::map<std::string, int>>());
        REQUIRE(!shape);
        CHECK(shape.error().kind() == failure_kind::protocol);
    });
}

TEST_CASE("timeout limits send to the head, and as to the end of the body") {
    testing::run([]() -> awaitable<void> {
        auto app = [](http::request r) -> awaitable<http::response> {
            if (r.path() == "/head") co_await sleep_for(10s);
            http::response answer;
            answer.set_body(
                http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                    if (n++ == 1) co_return std::nullopt;
                    co_await sleep_for(10s);
                    co_return weft::bytes("[]");
                }));
            co_return answer;
        };
        http::client client{to(app)};
        const auto start = now_of(co_await asio::this_coro::executor);
        auto late = co_await attempt(client.get("http://a/head").timeout(2s).send());
        REQUIRE(!late);
        CHECK(late.error().kind() == failure_kind::timeout);
        CHECK(late.error().delivered() == delivery::unknown);
        CHECK(now_of(co_await asio::this_coro::executor) - start <= 2010ms);
        auto body =
            co_await attempt(client.get("http://a/body").timeout(2s).as<std::vector<int>>());
        REQUIRE(!body);
        CHECK(body.error().kind() == failure_kind::timeout);
        http::response slow = co_await client.get("http://a/body").timeout(2s).send();
        std::string text = co_await slow.body().text();
        CHECK(text == "[]");
    });
}

TEST_CASE("unusable URLs and fields are the caller's fault, and nothing is sent") {
    testing::run([]() -> awaitable<void> {
        auto mock = to(hello);
        http::client client{mock};
        for (const char* url : {"", "/path", "shop.test/", "ftp://a/", "http://", "http:///x",
                                "http://a:0/", "http://a:99999/", "http://a b/",
                                "http://user:secret@a b/", "http://a/\r\nX: y", "http://a/\x01"}) {
            CAPTURE(url);
            auto r = co_await attempt(client.get(url).send());
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::invalid_input);
            CHECK(!has(r.error().what(), "secret"));
        }
        CHECK_THROWS_AS(static_cast<void>(client.get("http://a/").header("X", "a\r\nb")), failure);
        CHECK(mock.connections() == 0);
    });
}

TEST_CASE(
    "responses that could be understood in two ways are refused, and the connection is closed") {
    const char* rows[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    };
    for (const char* row : rows) {
        CAPTURE(row);
        const outcome o = answered(row, false);
        REQUIRE(o.failed);
        CHECK(o.failed->kind() == failure_kind::protocol);
    }
}

TEST_CASE("a response that is cut off is a failure, never a short body") {
    struct row {
        const char* bytes;
        int status;  // 0: no head came
    };
    const row rows[] = {
        {"", 0},
        {"HTTP/1.1 200 OK\r\n", 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", 200},
    };
    for (const row& r : rows) {
        CAPTURE(r.bytes);
        const outcome o = answered(r.bytes);
        CHECK(o.status == r.status);
        REQUIRE(o.failed);
        CHECK(o.failed->kind() == failure_kind::unavailable);
        CHECK(o.failed->delivered() == delivery::unknown);
    }
}

TEST_CASE("bodies end where their framing says") {
    CHECK(answered("HTTP/1.1 200 OK\r\n\r\nuntil close").body == "until close");
    CHECK(answered("HTTP/1.0 200 OK\r\n\r\nold").body == "old");
    CHECK(answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).status == 200);
    CHECK(answered("HTTP/1.1 204 No Content\r\n\r\n", false).body.empty());
    CHECK(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", false).body.empty());
    CHECK(answered("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", false, http::method::head)
              .body.empty());
    CHECK(answered(
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
              false)
              .body == "abc");
    CHECK(answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                   "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
                   false)
              .status == 201);
    CHECK(answered("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", false).body ==
          "nope");
}

TEST_CASE("trailers of a response are with its body") {
    testing::run([]() -> awaitable<void> {
        http::client client{scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            co_await c.say(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: "
                "7\r\nHost: x\r\n\r\n");
            co_await c.rest();
        })};
        http::response r = co_await client.get("http://a/").send();
        co_await r.body().discard();
        REQUIRE(r.body().trailers());
        CHECK(r.body().trailers()->get("Sum") == "7");
        CHECK(r.body().trailers()->size() == 1);
    });
}

TEST_CASE("an application can be the transport of a client") {
    testing::run([]() -> awaitable<void> {
        http::client client{mirror};
        http::response r = co_await client.get("http://shop.test/x").query("y", "z").send();
        std::string text = co_await r.body().text();
        CHECK(text.starts_with("GET /x?y=z\nHost: shop.test\n"));
        http::client failing{[](http::request) -> awaitable<http::response> {
            throw failure(failure_kind::rejected, "no");
            co_return http::response();
        }};
        auto no = co_await attempt(failing.get("http://a/").send());
        REQUIRE(!no);
        CHECK(no.error().kind() == failure_kind::rejected);
    });
}

TEST_CASE("error_for_status makes failures of 4xx and 5xx, without the body") {
    struct row {
        int status;
        failure_kind kind;
    };
    const row rows[] = {
        {400, failure_kind::invalid_input}, {401, failure_kind::authentication},
        {403, failure_kind::rejected},      {404, failure_kind::invalid_input},
        {408, failure_kind::timeout},       {429, failure_kind::exhausted},
        {500, failure_kind::unavailable},   {503, failure_kind::unavailable},
        {504, failure_kind::timeout},       {599, failure_kind::unavailable},
    };
    for (const row& r : rows) {
        CAPTURE(r.status);
        http::response answer = http::text("SECRET", http::status(r.status));
        answer.headers().set("Retry-After", "7");
        try {
            http::response same = std::move(answer).error_for_status();
            FAIL("it did not throw");
        } catch (const failure& f) {
            CHECK(f.kind() == r.kind);
            CHECK(f.delivered() == delivery::processed);
            CHECK(f.retry_after() == 7s);
            CHECK(has(f.what(), std::to_string(r.status)));
            CHECK(!has(f.what(), "SECRET"));
            CHECK(http::status_of(f) == http::status(r.status));
        }
    }
    for (int fine : {200, 204, 301, 304}) {
        http::response same = http::response(http::status(fine)).error_for_status();
        CHECK(same.status() == fine);
    }
}

TEST_CASE("a client copes with a server that sends byte by byte") {
    testing::run([]() -> awaitable<void> {
        http::client client{scripted([](peer& c) -> awaitable<void> {
            for (;;) {
                std::string asked = co_await c.until("\r\n\r\n");
                if (c.end) co_return;
                for (char byte :
                     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n"
                     "3;e=\"x\"\r\nabc\r\n0\r\nT: 1\r\n\r\n"sv) {
                    co_await c.say(std::string(1, byte));
                    co_await sleep_for(1ms);
                }
            }
        })};
        for (int i = 0; i < 3; ++i) {
            outcome o = co_await fetch(client);
            CHECK(o.body == "abc");
        }
    });
}

TEST_CASE("CONNECT names the server with its port, however it was written") {
    struct row {
        const char* target;
        const char* sent;
    };
    for (const row& r :
         {row{"inner.test:443", "inner.test:443"}, row{"inner.test:80", "inner.test:80"},
          row{"http://inner.test/", "inner.test:80"},
          row{"http://inner.test:8080/", "inner.test:8080"},
          row{"[2001:db8::1]:443", "[2001:db8::1]:443"}}) {
        CAPTURE(std::string(r.target));
        std::string got;
        testing::run([&]() -> awaitable<void> {
            auto answer = [&](io::stream s) -> awaitable<void> {
                peer p(std::move(s));
                got = co_await p.head();
                co_await p.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
            };
            http::client_options options;
            options.user_agent = "";
            http::client client{testing::mock_connector(answer), options};
            http::request q(http::method::connect, r.target);
            http::response refused = co_await client.serve(std::move(q));
            CHECK(refused.status() == 403);
        });
        CHECK(got ==
              "CONNECT " + std::string(r.sent) + " HTTP/1.1\r\nHost: " + r.sent + "\r\n\r\n");
    }
}
