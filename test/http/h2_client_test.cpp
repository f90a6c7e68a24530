// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// An HTTP/2 client against a server that is a script of frames.
#include "h2_peer.hpp"

using namespace h2;

namespace {

/// Runs `body` with a client's connection and the raw server at its other end.
template <class Body>
void with_h2_client(http::client_options options, Body body) {
    options.protocol = http::protocol::http_2;
    testing::run([&]() -> awaitable<void> {
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        frame_peer server(std::move(far));
        http::connection c = co_await http::connect(std::move(near), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> { co_await body(c, server, s); });
        c.close();
        server.wire.stream.close();
    });
}

/// Takes the client's preface off what was read.
awaitable<void> greet(frame_peer& server) {
    const std::string first = co_await server.wire.take(preface.size());
    CHECK(first == preface);
    server.take_over(std::exchange(server.wire.got, {}));
    (void)co_await server.say(settings() + settings_ack());
    co_await server.listen();
}

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
