// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What only an HTTP/2 server does: how it is reached, ends, and keeps streams apart.
#include "h2_peer.hpp"
#include <weft/runtime/event.hpp>

#include <algorithm>

using namespace h2;

namespace {
const auto hello_app = [](http::request r) -> awaitable<http::response> {
    co_return http::text(std::string(http::to_string(r.version())) + " " +
                         std::string(r.header("Host").value_or("")));
};
}  // namespace

TEST_CASE("a server tells HTTP/2 from HTTP/1 by the first bytes, however they come") {
    const std::string bytes = greeting() + headers(1);
    for (std::size_t cut = 1; cut < 30; ++cut) {
        with_h2_server(hello_app, {}, [&](frame_peer& p, http::server& server) -> awaitable<void> {
            (void)co_await p.say(bytes.substr(0, cut));
            co_await sleep_for(1ms);
            CHECK(server.connections() == 1);
            (void)co_await p.say(bytes.substr(cut));
            co_await p.listen();
            CHECK(p.content(1) == "HTTP/2 a");
            p.wire.stream.close();
        });
    }
    CHECK(answer_to("P", hello_app) == "");
    CHECK(answer_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", hello_app)
              .ends_with("HTTP/1.1 a"));
}

TEST_CASE("who sends half a preface is cut off in time") {
    http::server_options options;
    options.header_timeout = 2s;
    with_server(hello_app, options, [&](peer& client) -> awaitable<void> {
        const auto from = now_of(client.stream.get_executor());
        co_await client.say(std::string(preface.substr(0, 10)));
        const std::string answer = co_await client.rest();
        CHECK(answer.starts_with("HTTP/1.1 408"));
        CHECK(now_of(client.stream.get_executor()) - from < 5s);
    });
}

TEST_CASE("a server that speaks one version refuses the other") {
    http::server_options only_1;
    only_1.speak_http2 = false;
    only_1.half_close = true;
    CHECK(answer_to(std::string(preface), hello_app, only_1).starts_with("HTTP/1.1 505"));
    http::server_options only_2;
    only_2.speak_http1 = false;
    with_h2_server(hello_app, only_2, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        co_await p.listen();
        CHECK(p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("a drain takes what crossed it, and nothing after that") {
    event go;
    auto app = [&](http::request r) -> awaitable<http::response> {
        co_await go.wait();
        co_return http::text(std::string(r.path()));
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        server.drain();
        co_await p.listen();
        const seen* first = p.find(GOAWAY, 0);
        REQUIRE(first);
        CHECK(number_at(first->payload, 0) == 0x7fffffff);
        // An answer that nobody asked for says nothing.
        (void)co_await p.say(ping("12345678", ACK));
        // Sent before it was read; the answer to the ping comes behind it.
        (void)co_await p.say(headers(3));
        co_await p.listen();
        CHECK(std::count_if(p.got.begin(), p.got.end(),
                            [](const seen& f) { return f.type == GOAWAY; }) == 1);
        const seen* asked = p.find(PING, 0);
        REQUIRE(asked);
        const std::string opaque = asked->payload;
        (void)co_await p.say(ping(opaque, ACK));
        co_await p.listen();
        const seen& last = p.got.back();
        CHECK(last.type == GOAWAY);
        CHECK(number_at(last.payload, 0) == 3);
        go.set();
        co_await p.listen();
        CHECK(p.content(1) == "/");
        CHECK(p.content(3) == "/");
        CHECK(p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("a request that nobody reads has a moment to come to its end, and not much may come") {
    const auto ignores = [](http::request) -> awaitable<http::response> {
        co_return http::text("done");
    };
    http::server_options options;
    options.linger_timeout = 2s;
    with_h2_server(ignores, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1, post, END_HEADERS) +
                             headers(3, post, END_HEADERS) + headers(5, post, END_HEADERS));
        co_await p.listen();
        CHECK(p.content(1) == "done");
        CHECK(!p.find(RST_STREAM, 1));
        (void)co_await p.say(data(1, "the rest"));
        const std::string piece(16'000, 'x');
        for (int i = 0; i < 4; ++i) (void)co_await p.say(data(3, piece, NONE));
        co_await p.listen();
        CHECK(!p.find(RST_STREAM, 3));
        (void)co_await p.say(data(3, piece, NONE));
        co_await p.listen();
        REQUIRE(p.find(RST_STREAM, 3));
        CHECK(number_at(p.find(RST_STREAM, 3)->payload, 0) == NO_ERROR);
        co_await sleep_for(1s);
        CHECK(!p.find(RST_STREAM, 5));
        co_await p.listen(1s);
        REQUIRE(p.find(RST_STREAM, 5));
        CHECK(number_at(p.find(RST_STREAM, 5)->payload, 0) == NO_ERROR);
        CHECK(!p.find(RST_STREAM, 1));
        p.wire.stream.close();
    });
}

TEST_CASE("a client may break off what was answered before it was sent") {
    const auto ignores = [](http::request) -> awaitable<http::response> {
        co_return http::text("no", 401);
    };
    with_h2_server(ignores, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting());
        for (std::uint32_t i = 0; i < 250; ++i) {  // a hundred at once, fifty a second
            (void)co_await p.say(headers(2 * i + 1, post, END_HEADERS));
            co_await p.listen(1ms);
            (void)co_await p.say(rst(2 * i + 1));
        }
        co_await p.listen();
        CHECK(p.content(499) == "no");
        CHECK(!p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("a client is not blamed for the streams that an application breaks off") {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::response(200, http::body::pull([]() -> awaitable<std::optional<bytes>> {
                                     throw failure(failure_kind::unavailable,
                                                   "the upstream is gone");
                                     co_return std::nullopt;
                                 }));
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting());
        constexpr std::uint32_t streams = 250;  // a hundred may be broken at once, fifty a second
        for (std::uint32_t i = 0; i < streams; ++i) {
            (void)co_await p.say(headers(2 * i + 1));
            co_await p.listen(1ms);
        }
        CHECK(p.find(RST_STREAM, 2 * streams - 1));
        CHECK(!p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("relief counts who was told to go and has not gone yet") {
    with_h2_server(hello_app, {}, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        (void)co_await p.say(greeting());
        co_await p.listen();
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer other(std::move(near));
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(far)));
            co_await sleep_for(2s);
            CHECK(server.close_idle(1) == 1);
            CHECK(server.close_idle(1) == 0);  // that one waits for the answer to its ping
            co_await p.listen();
            const seen* asked = p.find(PING, 0);
            REQUIRE(asked);
            (void)co_await p.say(ping(std::string(asked->payload), ACK));
            co_await p.listen();
            CHECK(p.ended());
            p.wire.stream.close();
            while (server.connections() > 1) co_await sleep_for(100ms);
            CHECK(server.close_idle(1) == 1);
            CHECK((co_await other.rest()).empty());
        });
    });
}

TEST_CASE("who was told to go and stays for a request does not keep others from being told") {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        co_await never.wait();
        co_return http::text("done");
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        (void)co_await p.say(greeting());
        co_await p.listen();
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer other(std::move(near));
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(far)));
            co_await sleep_for(2s);
            CHECK(server.close_idle(1) == 1);
            (void)co_await p.say(headers(1));  // crossed the good-bye
            co_await sleep_for(1s);
            CHECK(server.close_idle(1) == 0);
            co_await sleep_for(6s);
            CHECK(server.close_idle(1) == 1);
            CHECK((co_await other.rest()).empty());
            p.wire.stream.close();
        });
    });
}

TEST_CASE("a slow reader stops its own stream and no other") {
    event never;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.header("x-slow")) co_await never.wait();
        const std::uint64_t size = co_await r.body().discard();
        co_return http::text(std::to_string(size));
    };
    http::server_options options;
    options.h2.stream_window = 65535;
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting());
        co_await p.listen();
        const std::string piece(16000, 'x');
        const fields slow = with(post, {{"x-slow", "1"}});
        for (std::uint32_t id = 1; id < 20; id += 2) {
            (void)co_await p.say(headers(id, slow, END_HEADERS));
            for (int i = 0; i < 4; ++i) (void)co_await p.say(data(id, piece, NONE));
        }
        co_await p.listen();
        for (std::uint32_t id = 1; id < 20; id += 2) CHECK(!p.find(WINDOW_UPDATE, id));
        (void)co_await p.say(headers(21, post, END_HEADERS));
        for (int i = 0; i < 40; ++i) {
            (void)co_await p.say(data(21, piece, i == 39 ? END_STREAM : NONE));
            co_await p.listen(1ms);
        }
        CHECK(p.find(WINDOW_UPDATE, 21));
        CHECK(p.content(21) == "640000");
        p.wire.stream.close();
    });
}

TEST_CASE("RST_STREAM cancels the handler of its stream and no other") {
    int cancelled = 0;
    event go;
    auto app = [&](http::request) -> awaitable<http::response> {
        struct at_end {
            int& n;
            bool done = false;
            ~at_end() { n += done ? 0 : 1; }
        } end{cancelled};
        co_await go.wait();
        end.done = true;
        co_return http::text("done");
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1) + headers(3) + headers(5));
        co_await p.listen();
        (void)co_await p.say(rst(3));
        co_await p.listen();
        CHECK(cancelled == 1);
        go.set();
        co_await p.listen();
        CHECK(p.content(1) == "done");
        CHECK(p.content(3) == "");
        CHECK(p.content(5) == "done");
        // The worker that was cancelled serves the next.
        (void)co_await p.say(headers(7));
        co_await p.listen();
        CHECK(p.content(7) == "done");
        p.wire.stream.close();
    });
}

TEST_CASE("a request that is reset before its turn does not reach the application") {
    int asked = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        ++asked;
        co_return http::text("done");
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1) + headers(3) + rst(3) + headers(5));
        co_await p.listen();
        CHECK(asked == 2);
        CHECK(p.content(1) == "done");
        CHECK(p.content(5) == "done");
        p.wire.stream.close();
    });
}

TEST_CASE("a response that is shorter than it says is broken off") {
    auto app = [](http::request) -> awaitable<http::response> {
        http::response r(200,
                         http::body::pull([n = 0]() mutable -> awaitable<std::optional<bytes>> {
                             if (n++ > 0) co_return std::nullopt;
                             co_return bytes::literal("half");
                         }));
        r.headers().set("Content-Length", "8");
        co_return r;
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        const seen* reset = p.find(RST_STREAM, 1);
        REQUIRE(reset);
        CHECK(number_at(reset->payload, 0) == INTERNAL_ERROR);
        for (const seen& f : p.got)
            if (f.stream == 1) CHECK((f.flags & END_STREAM) == 0);
        p.wire.stream.close();
    });
}

TEST_CASE("a tunnel whose client breaks it off is cancelled, also when nothing is left to send") {
    bool cancelled = false;
    auto app = [&](http::request) -> awaitable<http::response> {
        http::response answer;
        answer.on_upgrade([&](io::stream s) -> awaitable<void> {
            struct at_end {
                bool& flag;
                ~at_end() { flag = true; }
            } end{cancelled};
            co_await s.shutdown_send();
            co_await sleep_for(1h);
        });
        co_return answer;
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(
            greeting() + headers(1, {{":method", "CONNECT"}, {":authority", "a:1"}}, END_HEADERS));
        co_await p.listen();
        REQUIRE(!p.got.empty());
        CHECK((p.got.back().flags & END_STREAM) != 0);
        CHECK(!cancelled);
        (void)co_await p.say(rst(1));
        co_await p.listen();
        CHECK(cancelled);
        p.wire.stream.close();
    });
}

TEST_CASE("a 304 has no length but the one that the application gives") {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer(http::status::not_modified);
        if (r.target() == "/known") answer.headers().set("Content-Length", "42");
        co_return answer;
    };
    testing::run([&]() -> awaitable<void> {
        testing::mock_connector mock{http::server(app)};
        http::client client(mock, {.protocol = http::protocol::http_2});
        http::response known = co_await client.get("http://a/known").send();
        CHECK(known.header("Content-Length") == "42");
        http::response unknown = co_await client.get("http://a/").send();
        CHECK(unknown.status() == 304);
        CHECK(!unknown.header("Content-Length"));
    });
}

TEST_CASE("cookie crumbs become one field, and :authority the host") {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::text(std::string(r.header("Cookie").value_or("")) + "|" +
                             std::string(r.header("Host").value_or("")));
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(
            greeting() + headers(1, with(get, {{"cookie", "a=1"}, {"cookie", "b=2"}})) +
            headers(3, with(get, {{"host", "a"}})) + headers(5, with(get, {{"host", "b"}})));
        co_await p.listen();
        CHECK(p.content(1) == "a=1; b=2|a");
        CHECK(p.content(3) == "|a");
        CHECK(p.find(RST_STREAM, 5));
        p.wire.stream.close();
    });
}

TEST_CASE("an extended CONNECT hands the stream to the application") {
    auto app = [](http::request r) -> awaitable<http::response> {
        const auto* extended = r.extensions().get<http::extended_connect>();
        if (!extended || r.target() != "/chat") co_return http::text("no", 400);
        http::response answer;
        answer.on_upgrade([](io::stream s) -> awaitable<void> {
            std::array<char, 64> memory;
            while (const std::size_t n = co_await s.read(asio::buffer(memory)))
                co_await s.write(asio::const_buffer(memory.data(), n));
        });
        co_return answer;
    };
    with_h2_server(app, {}, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1,
                                                  {{":method", "CONNECT"},
                                                   {":protocol", "websocket"},
                                                   {":scheme", "http"},
                                                   {":path", "/chat"},
                                                   {":authority", "a"}},
                                                  END_HEADERS));
        co_await p.listen();
        REQUIRE(p.find(HEADERS, 1));
        CHECK(p.find(HEADERS, 1)->payload[0] == '\x88');
        (void)co_await p.say(data(1, "one", NONE));
        co_await p.listen();
        CHECK(p.content(1) == "one");
        (void)co_await p.say(data(1, "two"));
        co_await p.listen();
        CHECK(p.content(1) == "onetwo");
        CHECK((p.got.back().flags & END_STREAM));
        p.wire.stream.close();
    });
}

TEST_CASE("a peer that says nothing is asked whether it is there") {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        co_await never.wait();
        co_return http::text("never");
    };
    http::server_options options;
    options.h2.ping_interval = 5s;
    options.h2.ping_timeout = 3s;
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await sleep_for(6s);
        co_await p.listen(1s);
        const seen* asked = p.find(PING, 0);
        REQUIRE(asked);
        CHECK(!p.ended());
        co_await p.listen(10s);
        CHECK(p.ended());
        p.wire.stream.close();
    });
}
