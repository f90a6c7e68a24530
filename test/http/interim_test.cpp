// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What the suites do not say of interim responses: the bytes, and when none are sent.
#include "h2_peer.hpp"
#include <weft/http/interim.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <thread>

using namespace h2;

namespace {

http::response_head hint(std::string_view link) {
    http::response_head head(http::status::early_hints);
    head.headers().add("Link", link);
    return head;
}

std::size_t heads(const frame_peer& p) {
    return static_cast<std::size_t>(std::ranges::count(p.got, unsigned{HEADERS}, &seen::type));
}

const auto with_hint = [](http::request r) -> awaitable<http::response> {
    http::response_head head = hint("</a.css>");
    head.headers().add("Content-Length", "7");
    head.headers().add("Connection", "close");
    http::send_interim(r, std::move(head));
    co_return http::text("page");
};

}  // namespace

TEST_CASE("an interim response has no framing and ends nothing") {
    const std::string text = dateless(answer_to("GET / HTTP/1.1\r\nHost: a\r\n\r\n", with_hint));
    CHECK(
        text.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n"));
    CHECK(text.ends_with("\r\n\r\npage"));
}

TEST_CASE("a client of HTTP/1.0 is sent no interim response") {
    const std::string text = answer_to("GET / HTTP/1.0\r\n\r\n", with_hint);
    CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(!has(text, "103"));
}

TEST_CASE("an interim response of HTTP/2 is a header block that ends nothing") {
    with_h2_server(with_hint, {}, [](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        const seen* first = p.find(HEADERS, 1);
        REQUIRE(first);
        CHECK((first->flags & END_STREAM) == 0);
        CHECK(p.content(1) == "page");
        CHECK(!p.find(RST_STREAM, 1));
        p.wire.stream.close();
    });
}

TEST_CASE("an interim response of a request before does not reach the next one") {
    std::optional<http::interim_sender> kept;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (kept) kept->send(hint("</late.css>"));
        kept.emplace(r);
        co_return http::text("ok");
    };
    const std::string one = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(!has(answer_to(one + one, app), "103"));
    kept->send(hint("</later.css>"));  // the connection is gone
    kept.reset();
    with_h2_server(app, {}, [](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        (void)co_await p.say(headers(3));
        co_await p.listen();
        CHECK(p.content(3) == "ok");
        CHECK(heads(p) == 2);
        p.wire.stream.close();
    });
}

TEST_CASE("a client that does not read is sent no hints without end") {
    constexpr int many = 10'000;
    auto app = [](http::request r) -> awaitable<http::response> {
        for (int i = 0; i < many; ++i) {
            http::send_interim(r, hint(std::to_string(i) + std::string(100, 'x')));
            if (i % 100 == 0) co_await sleep_for(1ms);
        }
        co_return http::text("page");
    };
    with_server(app, {}, [](peer& c) -> awaitable<void> {
        co_await c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await sleep_for(1s);
        const std::string all = co_await c.until("\r\n\r\npage");
        CHECK(count(all, "HTTP/1.1 103") < many / 10);
        CHECK(count(all, "HTTP/1.1 200") == 1);
    });
    with_h2_server(
        app, {},
        [](frame_peer& p, http::server& server) -> awaitable<void> {
            (void)co_await p.say(greeting() + headers(1));
            co_await sleep_for(1s);
            CHECK(server.connections() == 1);
            co_await p.listen();
            CHECK(p.content(1) == "page");
            CHECK(heads(p) < many / 10);
            p.wire.stream.close();
        },
        4096);
}

TEST_CASE("a status that is none of an interim response is refused") {
    const http::request r(http::method::get, "/");
    for (const int code : {100, 101, 200, 404})
        CHECK_THROWS_AS(http::send_interim(r, http::response_head(http::status(code))), failure);
    http::send_interim(r, hint("</a.css>"));  // nobody listens
}

TEST_CASE("without a connection interim responses go to who made the request") {
    testing::run([]() -> awaitable<void> {
        std::string links;
        http::client client{http::any_app(with_hint)};
        auto r = co_await client.get("http://a.test/")
                     .extension(http::on_interim{[&](const http::response_head& head) {
                         links += head.headers().get("Link").value_or("none");
                     }})
                     .send();
        CHECK(r.status() == 200);
        CHECK(links == "</a.css>");
    });
}

TEST_CASE("a hint that is too large is not sent, and a request that is asked again may send some") {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::send_interim(r, hint(std::string(20'000, 'x')));
        http::response_head many(http::status::early_hints);
        for (int i = 0; i < 1000; ++i) many.headers().add("x", "y");
        http::send_interim(r, std::move(many));
        std::optional<http::request> again = r.replay();
        REQUIRE(again);
        http::send_interim(*again, hint("</again.css>"));
        co_return http::text("page");
    };
    const std::string text = answer_to("GET / HTTP/1.1\r\nHost: a\r\n\r\n", app);
    CHECK(text.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </again.css>\r\n\r\nHTTP/1.1 200"));
    with_h2_server(app, {}, [](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        CHECK(heads(p) == 2);
        CHECK(p.content(1) == "page");
        p.wire.stream.close();
    });
}

TEST_CASE("without a connection none come once the answer is there") {
    testing::run([]() -> awaitable<void> {
        std::optional<http::interim_sender> kept;
        auto app = [&](http::request r) -> awaitable<http::response> {
            kept.emplace(r);
            kept->send(hint("</a.css>"));
            co_return http::text("page");
        };
        int hints = 0;
        http::client client{http::any_app(app)};
        co_await client.get("http://a.test/")
            .extension(http::on_interim{[&](const http::response_head&) { ++hints; }})
            .send();
        kept->send(hint("</late.css>"));
        co_await sleep_for(1ms);
        CHECK(hints == 1);
    });
}

TEST_CASE("a client keeps few of the hints that come at once") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::size_t bytes = 0;
            std::optional<http::response> answer;
            s.spawn([&]() -> awaitable<void> {
                http::request r(http::method::get, "http://h.test/");
                r.extensions().insert(http::on_interim{[&](const auto& head) {
                    bytes += head.headers().get("x").value_or("").size();
                }});
                answer = co_await c.serve(std::move(r));
            });
            co_await greet(server);
            // One long field in the table of HPACK, and many heads that are little but it.
            const std::string status = std::string("\x08\x03") + "103";
            std::string all = frame(HEADERS, END_HEADERS, 1,
                                    status + "\x40\x01x\x7f\xa1\x1e" + std::string(4000, 'x'));
            for (int i = 0; i < 500; ++i) all += frame(HEADERS, END_HEADERS, 1, status + "\xbe");
            (void)co_await server.say(all + headers(1, {{":status", "200"}}));
            co_await server.listen();
            REQUIRE(answer);
            CHECK(answer->status() == 200);
            CHECK(bytes >= 4000);
            CHECK(bytes < 400'000);
        });
}

TEST_CASE("a proxy passes on what comes on its way") {
    testing::run([]() -> awaitable<void> {
        http::client upstream(testing::mock_connector(http::server(with_hint)), {});
        auto proxy = [&](http::request r) -> awaitable<http::response> {
            http::interim_sender back(r);
            http::request onward(r.method(), "http://origin.test/");
            onward.extensions().insert(
                http::on_interim{[back](const http::response_head& head) { back.send(head); }});
            co_return co_await upstream.serve(std::move(onward));
        };
        http::client client(testing::mock_connector(http::server(proxy)), {});
        std::string links;
        auto r = co_await client.get("http://a.test/")
                     .extension(http::on_interim{[&](const http::response_head& head) {
                         links += head.headers().get("Link").value_or("none");
                     }})
                     .send();
        const std::string text = co_await r.body().text();
        CHECK(text == "page");
        CHECK(links == "</a.css>");
        co_await client.close();
        co_await upstream.close();
    });
}

TEST_CASE("what listens to interim responses may throw: the exchange fails") {
    testing::run([]() -> awaitable<void> {
        for (const auto speaks : {http::protocol::http_1_1, http::protocol::http_2}) {
            http::client_options options;
            options.protocol = speaks;
            http::client client(testing::mock_connector(http::server(with_hint)), options);
            auto r =
                co_await attempt(client.get("http://a.test/")
                                     .extension(http::on_interim{[](const http::response_head&) {
                                         throw failure(failure_kind::rejected, "no hints wanted");
                                     }})
                                     .send());
            REQUIRE(!r);
            CHECK(r.error().kind() == failure_kind::rejected);
            auto again = co_await client.get("http://a.test/").send();
            CHECK(again.status() == 200);
            co_await again.body().discard();
            co_await client.close();
        }
    });
}

TEST_CASE("what listens may throw without a connection too, also for a hint of another thread") {
    testing::run_real([]() -> awaitable<void> {
        auto app = [](http::request r) -> awaitable<http::response> {
            event sent;
            auto ex = co_await asio::this_coro::executor;
            std::thread other([&, back = http::interim_sender(r)] {
                back.send(hint("</a.css>"));
                back.send(hint("</b.css>"));
                asio::post(ex, [&] { sent.set(); });
            });
            co_await sent.wait();
            other.join();
            co_return http::text("page");
        };
        int told = 0;
        http::client client{http::any_app(app)};
        auto r = co_await attempt(client.get("http://a.test/")
                                      .extension(http::on_interim{[&](const auto&) {
                                          ++told;
                                          throw failure(failure_kind::rejected, "no hints wanted");
                                      }})
                                      .send());
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::rejected);
        CHECK(told == 1);
    });
}

TEST_CASE("interim responses may be sent from another thread") {
    testing::run_real([]() -> awaitable<void> {
        std::thread other;
        auto app = [&](http::request r) -> awaitable<http::response> {
            event sent;
            auto ex = co_await asio::this_coro::executor;
            other = std::thread([&, back = http::interim_sender(r)] {
                back.send(hint("</a.css>"));
                asio::post(ex, [&] { sent.set(); });
            });
            co_await sent.wait();
            co_return http::text("page");
        };
        http::client client(testing::mock_connector(http::server(app)), {});
        int hints = 0;
        auto r = co_await client.get("http://a.test/")
                     .extension(http::on_interim{[&](const http::response_head&) { ++hints; }})
                     .send();
        other.join();
        CHECK(hints == 1);
        co_await r.body().discard();
        co_await client.close();
    });
}
