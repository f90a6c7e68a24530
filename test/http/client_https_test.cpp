// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The whole stack in memory: pool, HTTP/2 or HTTP/1 by ALPN, TLS.

#include "peers.hpp"
#include <weft/http/client.hpp>
#include <weft/layer/phase.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>
#include <weft/tls/info.hpp>

using namespace peers;

namespace {

struct site {
    tls::development_ca ca;

    [[nodiscard]] testing::mock_connector serves(std::vector<std::string> alpn, http::any_app app,
                                                 http::server_options options = {}) const {
        tls::server_options o;
        o.identities.push_back(ca.server({"shop.test", "a", "b"}));
        o.alpn = std::move(alpn);
        // A handshake that a client broke off is nothing that ends the server.
        return testing::mock_connector(
            [stack = tls::acceptor(tls::server_config(o)) >>
                     http::server(std::move(app), options)](io::stream s) -> awaitable<void> {
                const auto ended = co_await attempt(stack.serve(std::move(s)));
                if (!ended) CHECK(ended.error().kind() != failure_kind::internal);
            });
    }
    [[nodiscard]] http::client_options options() const {
        http::client_options o;
        o.tls = tls::client_config({.roots = {ca.root()}});
        return o;
    }
};

const auto slow = [](http::request) -> awaitable<http::response> {
    co_await sleep_for(10ms);
    co_return http::text("x");
};

awaitable<void> many(http::client client, int count, std::string url) {
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        int done = 0;
        for (int i = 0; i < count; ++i)
            s.spawn([&]() -> awaitable<void> {
                http::response r = co_await client.get(url).send();
                CHECK(r.status() == 200);
                co_await r.body().discard();
                ++done;
            });
        while (done < count) co_await sleep_for(1ms);
    });
}

}  // namespace

TEST_CASE("1,000 requests at once open one HTTP/2 connection over TLS, or HTTP/1's limit") {
    testing::run([]() -> awaitable<void> {
        const site s;
        auto two = s.serves({"h2", "http/1.1"}, slow);
        http::client client(two, s.options());
        co_await many(client, 1000, "https://shop.test/");
        CHECK(two.connections() == 1);
        http::response r = co_await client.get("https://shop.test/").send();
        const tls::info* info = r.extensions().egress().get<tls::info>();
        REQUIRE(info);
        CHECK(info->alpn == "h2");
        CHECK(info->peer_verified);
        co_await r.body().discard();
        co_await client.close();

        auto one = s.serves({"http/1.1"}, slow);
        http::client_options few = s.options();
        few.max_connections_per_host = 20;
        http::client older(one, few);
        co_await many(older, 1000, "https://shop.test/");
        CHECK(one.connections() == 20);
        co_await older.close();
    });
}

TEST_CASE("prior knowledge: 1,000 requests at once open one HTTP/2 connection on clear text") {
    testing::run([]() -> awaitable<void> {
        testing::mock_connector mock{http::server(slow)};
        http::client_options options;
        options.protocol = http::protocol::http_2;
        http::client client(mock, options);
        co_await many(client, 1000, "http://a/");
        CHECK(mock.connections() == 1);
        co_await client.close();
        CHECK(client.statistics() == http::pool_statistics{});
    });
}

TEST_CASE("a server that drains is left for a new connection, and no request is lost") {
    testing::run([]() -> awaitable<void> {
        std::vector<http::server> servers;
        int next = 0;
        for (int i = 0; i < 2; ++i) servers.emplace_back(slow);
        auto mock = testing::mock_connector([&](io::stream s) -> awaitable<void> {
            co_await servers[static_cast<std::size_t>(next)].serve(std::move(s));
        });
        http::client_options options;
        options.protocol = http::protocol::http_2;
        http::client client(mock, options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            int done = 0;
            for (int i = 0; i < 200; ++i) {
                s.spawn([&]() -> awaitable<void> {
                    http::response r = co_await client.get("http://a/").send();
                    co_await r.body().discard();
                    ++done;
                });
                co_await sleep_for(1ms);
                if (i == 100) {
                    next = 1;
                    servers[0].drain();
                }
            }
            co_await sleep_for(1s);
            CHECK(done == 200);
        });
        CHECK(mock.connections() == 2);
        co_await client.close();
    });
}

TEST_CASE("a request never rides a connection with less verification, or another certificate") {
    testing::run([]() -> awaitable<void> {
        const site s;
        const tls::development_ca foreign("somebody else");
        auto mock = s.serves({"h2"}, slow);
        http::client client(mock, s.options());
        const tls::client_config blind({.verify = tls::verify::dangerously_none});
        const tls::client_config wrong({.roots = {foreign.root()}});
        const tls::client_config ann({.roots = {s.ca.root()}, .identity = s.ca.client("ann")});
        const auto ask = [&](std::optional<tls::client_config> with) -> awaitable<bool> {
            http::request_builder b = client.get("https://a/");
            if (with) b.extension(*with);
            auto r = co_await attempt(std::move(b).send());
            if (!r) {
                CHECK(r.error().kind() == failure_kind::authentication);
                CHECK(r.error().delivered() == delivery::not_sent);
                co_return false;
            }
            co_await r->body().discard();
            co_return true;
        };
        const std::optional<tls::client_config> usual;
        bool answered = co_await ask(blind);
        CHECK(answered);
        CHECK(mock.connections() == 1);
        answered = co_await ask(wrong);
        CHECK_FALSE(answered);  // not over the one that is open already
        answered = co_await ask(usual);
        CHECK(answered);
        answered = co_await ask(ann);
        CHECK(answered);
        CHECK(mock.connections() == 4);
        for (const std::optional<tls::client_config>& again :
             {std::optional(blind), std::optional(ann), usual}) {
            answered = co_await ask(again);
            CHECK(answered);
        }
        CHECK(mock.connections() == 4);
        co_await client.close();
    });
}

TEST_CASE("a certificate for another host is refused, and the phases name the handshake") {
    testing::run([]() -> awaitable<void> {
        const site s;
        auto mock = s.serves({"h2"}, slow);
        http::client client(mock, s.options());
        auto r = co_await attempt(client.get("https://other.test/").send());
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::authentication);
        http::response good = co_await client.get("https://shop.test/").send();
        std::string names;
        for (const phase& p : good.extensions().all<phase>()) names.append(p.name).append(" ");
        CHECK(names == "wait tls connect ");
        co_await good.body().discard();
        co_await client.close();
    });
}

TEST_CASE("a connector that has seen to TLS is not secured twice") {
    testing::run([]() -> awaitable<void> {
        const site s;
        auto mock = s.serves({"http/1.1"}, slow);
        http::client client(tls::connect(*s.options().tls) >> mock);
        http::response r = co_await client.get("https://shop.test/").send();
        CHECK(r.status() == 200);
        co_await r.body().discard();
        co_await client.close();
    });
}

TEST_CASE("a server that never finishes the handshake is given up after ten seconds") {
    testing::run([]() -> awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        const site s;
        http::client client(scripted([](peer& c) -> awaitable<void> { co_await c.rest(); }),
                            s.options());
        const auto began = now_of(ex);
        auto r = co_await attempt(client.get("https://shop.test/").send());
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(now_of(ex) - began <= 10'050ms);
        co_await client.close();
    });
}
