// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// An HTTP/2 client against a server that is a script of frames.
#include "h2_peer.hpp"
#include <weft/http/pool.hpp>

using namespace h2;

namespace {

http::request a_get() { return http::request(http::method::get, "http://h.test/x"); }

const std::string ok_head = "\x88";

}  // namespace

TEST_CASE("a stream that the server refuses was not delivered, one that it resets may have been") {
    for (const std::uint32_t code : {REFUSED_STREAM, CANCEL}) {
        with_h2_client(
            {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
                std::optional<failure> got;
                s.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(c.serve(a_get()));
                    if (!r) got = r.error();
                });
                co_await greet(server);
                CHECK(server.find(HEADERS, 1));
                (void)co_await server.say(rst(1, code));
                co_await server.listen();
                REQUIRE(got);
                CHECK(got->kind() == failure_kind::unavailable);
                CHECK(got->delivered() ==
                      (code == REFUSED_STREAM ? delivery::not_sent : delivery::unknown));
                CHECK(c.is_open());
            });
    }
}

TEST_CASE("a body whose expectation is turned down is not sent, however long the answer takes") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::optional<http::response> got;
            s.spawn([&]() -> awaitable<void> {
                http::request r(http::method::post, "http://h.test/x");
                r.headers().set("Expect", "100-continue");
                r.body() = http::body("unwanted");
                got = co_await c.serve(std::move(r));
            });
            co_await greet(server);
            REQUIRE(server.find(HEADERS, 1));
            (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, block({{":status", "417"}})));
            co_await server.listen(5s);  // longer than one waits for a 100
            REQUIRE(got);
            CHECK(got->status() == 417);
            CHECK(server.content(1) == "");
            got.reset();
        });
}

TEST_CASE("a request that is shorter than it says is broken off and fails") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::optional<failure> got;
            s.spawn([&]() -> awaitable<void> {
                http::request r(http::method::post, "http://h.test/x");
                r.headers().set("Content-Length", "8");
                r.body() = http::body::pull([n = 0]() mutable -> awaitable<std::optional<bytes>> {
                    if (n++ > 0) co_return std::nullopt;
                    co_return bytes::literal("half");
                });
                auto answer = co_await attempt(c.serve(std::move(r)));
                if (!answer) got = answer.error();
            });
            co_await greet(server);
            co_await server.listen();
            REQUIRE(got);
            CHECK(got->kind() == failure_kind::invalid_input);
            const seen* reset = server.find(RST_STREAM, 1);
            REQUIRE(reset);
            CHECK(number_at(reset->payload, 0) == CANCEL);
            CHECK(c.is_open());
        });
}

TEST_CASE("streams above GOAWAY's last were not delivered, those below it go on") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::vector<std::string> got(2);
            for (int i = 0; i < 2; ++i)
                s.spawn([&, i]() -> awaitable<void> {
                    auto r = co_await attempt(c.serve(a_get()));
                    if (!r)
                        got[static_cast<std::size_t>(i)] =
                            r.error().delivered() == delivery::not_sent ? "not sent" : "unknown";
                    else
                        got[static_cast<std::size_t>(i)] = co_await r->body().text();
                });
            co_await greet(server);
            CHECK(server.find(HEADERS, 3));
            (void)co_await server.say(goaway(1));
            co_await server.listen();
            CHECK(got[1] == "not sent");
            CHECK(!c.is_open());
            (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, ok_head) + data(1, "answer"));
            co_await server.listen();
            CHECK(got[0] == "answer");
            CHECK(server.ended());
        });
}

TEST_CASE("a client asks for no more streams than the server allows; the others wait") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            int done = 0;
            co_await sleep_for(1ms);
            (void)co_await server.say(settings({{3, 2}}));
            co_await greet(server);
            for (int i = 0; i < 6; ++i)
                s.spawn([&]() -> awaitable<void> {
                    http::response r = co_await c.serve(a_get());
                    const std::string text = co_await r.body().text();
                    if (text == "x") ++done;
                });
            for (std::uint32_t id = 1; id < 12; id += 4) {
                co_await server.listen();
                CHECK(server.find(HEADERS, id));
                CHECK(server.find(HEADERS, id + 2));
                CHECK(!server.find(HEADERS, id + 4));
                for (std::uint32_t each : {id, id + 2})
                    (void)co_await server.say(frame(HEADERS, END_HEADERS, each, ok_head) +
                                              data(each, "x"));
            }
            co_await server.listen();
            CHECK(done == 6);
        });
}

TEST_CASE("the order of the pseudo-header fields is the client's choice") {
    http::client_options options;
    options.h2.pseudo_header_order = "psam";
    with_h2_client(
        options, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                auto r =
                    co_await attempt(c.serve(http::request(http::method::get, "http://h.test/")));
            });
            co_await greet(server);
            const seen* head = server.find(HEADERS, 1);
            REQUIRE(head);
            // :path / and :scheme http are in the static table, so is GET.
            CHECK(head->payload[0] == '\x84');
            CHECK(head->payload[1] == '\x86');
            CHECK(head->payload.find('\x82') != head->payload.npos);
            (void)co_await server.say(rst(1));
        });
}

TEST_CASE("a server that breaks the rules is a protocol failure") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::optional<failure> got;
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(c.serve(a_get()));
                if (!r) got = r.error();
            });
            co_await greet(server);
            (void)co_await server.say(
                frame(HEADERS, END_HEADERS, 1, ok_head + block({{"connection", "close"}})));
            co_await server.listen();
            REQUIRE(got);
            CHECK(got->kind() == failure_kind::protocol);
        });
}

TEST_CASE("a server may refuse, or be done with, as many streams as were begun") {
    with_h2_client({},
                   [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
                       int refused = 0;
                       std::uint32_t id = 1;
                       for (int round = 0; round < 4; ++round) {
                           for (int i = 0; i < 100; ++i)
                               s.spawn([&]() -> awaitable<void> {
                                   auto r = co_await attempt(c.serve(a_get()));
                                   if (!r && r.error().delivered() == delivery::not_sent) ++refused;
                               });
                           if (round == 0)
                               co_await greet(server);
                           else
                               co_await server.listen();
                           std::string bytes;
                           for (int i = 0; i < 100; ++i, id += 2) bytes += rst(id, REFUSED_STREAM);
                           (void)co_await server.say(bytes);
                           co_await server.listen();
                       }
                       CHECK(refused == 400);
                       CHECK(server.goaway_code() == -1);
                       CHECK(c.is_open());
                   });
}

TEST_CASE("a body that is dropped is read to its end when that is near, else its stream is reset") {
    struct row {
        const char* length;
        std::string comes;  // behind the head, after it was dropped
        bool reset_at_once;
        bool reset_later;
    };
    const row rows[] = {
        {"5", data(1, "hello"), false, false},
        {"5", "", false, true},
        {"5", data(1, "he", NONE), false, true},
        {"65536", "", false, true},
        {"65537", "", true, true},
        {nullptr, "", true, true},
    };
    for (const row& r : rows) {
        INFO(std::string(r.length ? r.length : "no length"));
        with_h2_client(
            {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
                int answered = 0;
                s.spawn([&]() -> awaitable<void> {
                    http::response answer = co_await c.serve(a_get());
                    ++answered;
                });
                (void)co_await server.say(settings({{3, 1}}));
                co_await greet(server);
                std::string head = ok_head;
                if (r.length) head += block({{"content-length", r.length}});
                (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, head));
                co_await server.listen();
                CHECK(answered == 1);
                CHECK((server.find(RST_STREAM, 1) != nullptr) == r.reset_at_once);
                (void)co_await server.say(r.comes);
                co_await server.listen(5s);
                CHECK((server.find(RST_STREAM, 1) != nullptr) == r.reset_later);
                // Its place is free again, in either case.
                s.spawn([&]() -> awaitable<void> {
                    http::response answer = co_await c.serve(a_get());
                    const std::string text = co_await answer.body().text();
                    answered += text == "next" ? 1 : 0;
                });
                co_await server.listen();
                CHECK(server.find(HEADERS, 3));
                (void)co_await server.say(frame(HEADERS, END_HEADERS, 3, ok_head) +
                                          data(3, "next"));
                co_await server.listen();
                CHECK(answered == 2);
            });
    }
}

TEST_CASE("a response that is refused stays refused when its trailers come with it") {
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::optional<failure> got;
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(c.serve(a_get()));
                if (!r) got = r.error();
            });
            co_await greet(server);
            fields many;
            for (int i = 0; i < 201; ++i) many.push_back({"x", "y"});
            (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, ok_head + block(many)) +
                                      headers(1, {{"t", "v"}}));
            co_await server.listen();
            REQUIRE(got);
            CHECK(got->kind() == failure_kind::protocol);
        });
}

TEST_CASE("a request whose head is too large to be sent says so") {
    with_h2_client({},
                   [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
                       std::optional<failure> got;
                       s.spawn([&]() -> awaitable<void> {
                           http::request r = a_get();
                           r.headers().set("x", std::string(70'000, 'x'));
                           auto answer = co_await attempt(c.serve(std::move(r)));
                           if (!answer) got = answer.error();
                       });
                       co_await greet(server);
                       REQUIRE(got);
                       CHECK(got->kind() == failure_kind::invalid_input);
                       CHECK(got->delivered() == delivery::not_sent);
                       CHECK(c.is_open());
                   });
}

TEST_CASE("a server that does not say that it speaks HTTP/2 is given up in time") {
    http::client_options options;
    options.handshake_timeout = 2s;
    with_h2_client(options,
                   [&](http::connection c, frame_peer& server, task_scope&) -> awaitable<void> {
                       const auto from = now_of(server.wire.stream.get_executor());
                       auto r = co_await attempt(c.serve(a_get()));
                       REQUIRE(!r);
                       CHECK(r.error().kind() == failure_kind::timeout);
                       CHECK(now_of(server.wire.stream.get_executor()) - from < 2100ms);
                       CHECK(!c.is_open());
                   });
}

TEST_CASE("a kept HTTP/2 connection that ends under a request: sent again, unless answered") {
    enum class end { vanish, interim, goaway, server_resets };
    struct row {
        http::method method;
        end how;
        bool again;
    };
    const row rows[] = {
        {http::method::get, end::vanish, true},   {http::method::post, end::vanish, false},
        {http::method::get, end::interim, false}, {http::method::get, end::server_resets, false},
        {http::method::post, end::goaway, true},
    };
    for (const row& w : rows) {
        CAPTURE(static_cast<int>(w.how));
        testing::run([&]() -> awaitable<void> {
            http::client_options options;
            options.protocol = http::protocol::http_2;
            int connections = 0;
            auto serve = [&](io::stream stream) -> awaitable<void> {
                const bool first = ++connections == 1;
                frame_peer server(std::move(stream));
                co_await greet(server);
                const std::string answer = frame(HEADERS, END_HEADERS, 1, ok_head) + data(1, "ok");
                (void)co_await server.say(answer);
                while (first && !server.ended() && !server.find(HEADERS, 3))
                    co_await server.listen();
                if (!first) co_await server.listen(1s);
                if (!first || server.ended()) co_return;
                if (w.how == end::interim)
                    (void)co_await server.say(
                        frame(HEADERS, END_HEADERS, 3, block({{":status", "103"}})));
                if (w.how == end::server_resets) (void)co_await server.say(rst(3));
                if (w.how == end::goaway) (void)co_await server.say(goaway(1));
                co_await sleep_for(1ms);
                server.wire.stream.close();
            };
            auto mock = testing::mock_connector(serve);
            http::pool pool(http::handshake(options) >> mock, options);
            for (int i = 0; i < 2; ++i) {
                auto r = co_await attempt(
                    pool.serve(http::request(i == 0 ? http::method::get : w.method, "http://a/")));
                CHECK(static_cast<bool>(r) == (i == 0 || w.again));
                if (r) co_await r->body().discard();
            }
            CHECK(connections == (w.again ? 2 : 1));
            co_await pool.close();
        });
    }
}

TEST_CASE("an upload that waits for room ends with its connection") {
    const auto token = std::make_shared<int>();
    with_h2_client(
        {}, [&](http::connection c, frame_peer& server, task_scope& s) -> awaitable<void> {
            std::optional<http::response> answer;
            s.spawn([&]() -> awaitable<void> {
                http::request r(http::method::post, "http://h.test/x");
                r.body() = http::body::pull([token]() -> awaitable<std::optional<weft::bytes>> {
                    co_return weft::bytes(std::string(16384, 'x'));
                });
                answer = co_await c.serve(std::move(r));
            });
            co_await greet(server);
            (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, ok_head));
            co_await server.listen();
            REQUIRE(answer);
            server.wire.stream.close();
            co_await sleep_for(1ms);
            answer.reset();
            co_await sleep_for(1ms);
            CHECK(token.use_count() == 1);
        });
}
