// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// CONNECT, extended and not, from our client to our server.
#include "peers.hpp"
#include <weft/http/h2_options.hpp>
#include <weft/http/pool.hpp>

using namespace peers;

namespace {

http::client_options over_http_2() {
    http::client_options options;
    options.protocol = http::protocol::http_2;
    return options;
}

/// Takes a CONNECT with "websocket" for /chat, and sends back what comes.
awaitable<http::response> chat(http::request r) {
    const auto* extended = r.extensions().get<http::extended_connect>();
    if (r.method() != http::method::connect) co_return http::text("hello");
    std::string asked = extended ? extended->protocol : "no protocol";
    asked.append(" ").append(r.target()).append(" ").append(r.header("Host").value_or("?"));
    if (asked != "websocket /chat?room=1 shop.test:8080") co_return http::text(asked, 400);
    http::response answer;
    answer.on_upgrade([](io::stream s) -> awaitable<void> {
        std::array<char, 64> memory;
        while (const std::size_t n = co_await s.read(asio::buffer(memory)))
            co_await s.write(asio::const_buffer(memory.data(), n));
    });
    co_return answer;
}

http::request ask_for_chat(std::string url) {
    http::request r(http::method::connect, url);
    r.extensions().insert(http::extended_connect{"websocket"});
    return r;
}

awaitable<std::string> say(http::response r, std::string text) {
    peer tunnel(r.take_upgraded());
    co_await tunnel.say(text);
    std::string echoed = co_await tunnel.take(text.size());
    tunnel.stream.close();
    co_return echoed;
}

}  // namespace

TEST_CASE("an extended CONNECT of a client asks for a path, and gets a stream") {
    testing::run([]() -> awaitable<void> {
        testing::mock_connector mock{http::server(chat)};
        http::pool pool(http::handshake(over_http_2()) >> mock, over_http_2());
        // On a connection that has said nothing yet, and on one that is known.
        for (int i = 0; i < 2; ++i) {
            http::response r =
                co_await pool.serve(ask_for_chat("http://shop.test:8080/chat?room=1"));
            CHECK(r.status() == 200);
            std::string echoed = co_await say(std::move(r), "over the stream");
            CHECK(echoed == "over the stream");
        }
        CHECK(mock.connections() == 1);
        co_await pool.close();
    });
}

TEST_CASE("an extended CONNECT may name its server by the Host field") {
    testing::run([]() -> awaitable<void> {
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        http::server server(chat);
        http::connection c = co_await http::connect(std::move(near), over_http_2());
        co_await with_scope([&, served = std::move(far)](task_scope& s) mutable -> awaitable<void> {
            s.spawn(server.serve(std::move(served)));
            http::request r = ask_for_chat("/chat?room=1");
            r.headers().set("Host", "shop.test:8080");
            http::response answer = co_await c.serve(std::move(r));
            std::string echoed = co_await say(std::move(answer), "x");
            CHECK(echoed == "x");
            c.close();
        });
    });
}

TEST_CASE("a server that takes no extended CONNECT is not asked for one") {
    testing::run([]() -> awaitable<void> {
        http::server_options options;
        options.h2.extended_connect = false;
        int asked = 0;
        testing::mock_connector mock{http::server(
            [&](http::request) -> awaitable<http::response> {
                ++asked;
                co_return http::text("x");
            },
            options)};
        http::pool pool(http::handshake(over_http_2()) >> mock, over_http_2());
        auto r = co_await attempt(pool.serve(ask_for_chat("http://a/chat")));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::rejected);
        CHECK(r.error().delivered() == delivery::not_sent);
        // The connection is as good as before.
        http::response usual = co_await pool.serve(http::request(http::method::get, "http://a/"));
        co_await usual.body().discard();
        CHECK(asked == 1);
        CHECK(mock.connections() == 1);
        co_await pool.close();
    });
}

TEST_CASE("an extended CONNECT is not sent over HTTP/1, and the connection stays") {
    testing::run([]() -> awaitable<void> {
        testing::mock_connector mock{http::server(chat)};
        http::pool pool(http::handshake() >> mock);
        auto r = co_await attempt(pool.serve(ask_for_chat("http://a/chat")));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::invalid_input);
        CHECK(r.error().delivered() == delivery::not_sent);
        co_await sleep_for(1ms);
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        http::response usual = co_await pool.serve(http::request(http::method::get, "http://a/"));
        co_await usual.body().discard();
        CHECK(mock.connections() == 1);
        co_await pool.close();
    });
}

TEST_CASE("a server that never says hello in HTTP/2 is given up as a handshake is") {
    testing::run([]() -> awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        auto options = over_http_2();
        options.handshake_timeout = 2s;
        auto mock = scripted([](peer& c) -> awaitable<void> { co_await c.rest(); });
        http::pool pool(http::handshake(options) >> mock, options);
        const auto began = now_of(ex);
        auto r = co_await attempt(pool.serve(http::request(http::method::get, "http://a/")));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(now_of(ex) - began <= 2'050ms);
        co_await pool.close();
    });
}
