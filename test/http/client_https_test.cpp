// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The whole stack in memory: pool, HTTP/2 or HTTP/1 by ALPN, TLS.

#include "https_site.hpp"
#include <weft/layer/phase.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/info.hpp>
#include <weft/tls/secured_for.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

using namespace peers;

namespace {

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

TEST_CASE("the TLS of a proxy on the way is not that of the origin") {
    testing::run([]() -> awaitable<void> {
        const site s;
        std::size_t layers = 0;
        auto origin = [&](http::request r) -> awaitable<http::response> {
            layers = r.extensions().ingress().all<tls::info>().size();
            co_return http::text("x");
        };
        tls::server_options shop;
        shop.identities.push_back(s.ca.server({"shop.test"}));
        tls::server_options proxy;
        proxy.identities.push_back(s.ca.server({"proxy.test"}));
        testing::mock_connector mock(tls::acceptor(tls::server_config(proxy)) >>
                                     tls::acceptor(tls::server_config(shop)) >>
                                     http::server(origin));
        const tls::client_config config = *s.options().tls;
        net::connector through_proxy(
            [mock, config](net::connect_request to) -> awaitable<io::stream> {
                io::stream below = co_await mock.serve(std::move(to));
                tls::target near{"proxy.test", 443};
                co_return co_await tls::handshake(std::move(below), config, std::move(near));
            });
        http::client client(through_proxy, s.options());
        http::response r = co_await client.get("https://shop.test/").send();
        CHECK(layers == 2);
        const extensions_link connection = r.extensions().egress();
        REQUIRE(connection.get<tls::info>());
        CHECK(connection.get<tls::info>()->server_name == "shop.test");
        CHECK(connection.get<tls::secured_for>()->host == "shop.test");
        CHECK(connection.all<tls::secured_for>().size() == 2);
        co_await r.body().discard();
        co_await client.close();
    });
}

TEST_CASE(
    "a connector that makes TLS in its own way does not serve a request that demands another") {
    testing::run([]() -> awaitable<void> {
        const site s;
        auto mock = s.serves({"http/1.1"}, slow);
        const tls::client_config blind({.verify = tls::verify::dangerously_none});
        net::connector stubborn([mock, blind](net::connect_request to) -> awaitable<io::stream> {
            tls::target shop{to.host, to.port};
            io::stream below = co_await mock.serve(std::move(to));
            co_return co_await tls::handshake(std::move(below), blind, std::move(shop));
        });
        http::client client(stubborn);
        http::response r = co_await client.get("https://shop.test/").send();
        co_await r.body().discard();
        auto refused =
            co_await attempt(client.get("https://shop.test/").extension(*s.options().tls).send());
        REQUIRE(!refused);
        CHECK(refused.error().kind() == failure_kind::invalid_input);
        CHECK(refused.error().delivered() == delivery::not_sent);
        co_await client.close();
    });
}

TEST_CASE("a client offers by ALPN only what it is to speak, and speaks only what was agreed") {
    testing::run([]() -> awaitable<void> {
        const site s;
        const auto agreed = [&](http::protocol speaks, std::vector<std::string> offers,
                                std::vector<std::string> serves) -> awaitable<std::string> {
            auto mock = s.serves(std::move(serves), slow);
            http::client_options o = s.options();
            o.protocol = speaks;
            o.tls = tls::client_config({.roots = {s.ca.root()}, .alpn = std::move(offers)});
            http::client client(mock, o);
            auto r = co_await attempt(client.get("https://shop.test/").send());
            std::string said = !r ? std::string(to_string(r.error().kind()))
                                  : r->extensions().egress().get<tls::info>()->alpn;
            if (!r) CHECK(r.error().delivered() == delivery::not_sent);
            if (r) co_await r->body().discard();
            co_await client.close();
            co_return said;
        };
        struct row {
            http::protocol speaks;
            std::vector<std::string> offers;
            std::vector<std::string> serves;
            std::string agreed;  // or the kind of the failure
        };
        using http::protocol;
        const row rows[] = {
            {protocol::automatic, {}, {"h2", "http/1.1"}, "h2"},
            {protocol::automatic, {"http/1.1"}, {"h2", "http/1.1"}, "http/1.1"},
            {protocol::http_1_1, {"h2", "http/1.1"}, {"h2", "http/1.1"}, "http/1.1"},
            {protocol::http_2, {"http/1.1", "h2"}, {"http/1.1", "h2"}, "h2"},
            {protocol::http_1_1, {"h2"}, {"h2"}, "invalid_input"},
            {protocol::http_2, {"h2"}, {}, "protocol"},
        };
        for (const row& w : rows) {
            CAPTURE(w.agreed);
            CAPTURE(static_cast<int>(w.speaks));
            std::string got = co_await agreed(w.speaks, w.offers, w.serves);
            CHECK(got == w.agreed);
        }
    });
}

TEST_CASE("a connection is not made of a stream whose ALPN agreed on something else") {
    testing::run([]() -> awaitable<void> {
        const site s;
        for (const bool two : {true, false}) {
            auto mock = s.serves({"h2", "http/1.1"}, slow);
            net::connect_request to("shop.test", 443);
            io::stream below = co_await mock.serve(std::move(to));
            const std::string offer = two ? "h2" : "http/1.1";
            tls::client_config config({.roots = {s.ca.root()}, .alpn = {offer}});
            tls::target shop{"shop.test", 443};
            io::stream secure =
                co_await tls::handshake(std::move(below), std::move(config), std::move(shop));
            http::client_options other;
            other.protocol = two ? http::protocol::http_1_1 : http::protocol::http_2;
            auto made = co_await attempt(http::connect(std::move(secure), other));
            REQUIRE(!made);
            CHECK(made.error().kind() == failure_kind::protocol);
        }
    });
}

TEST_CASE(
    "an HTTP/2 connection that nobody needs ends after its idle time, and a new one is made") {
    for (const bool secure : {true, false}) {
        CAPTURE(secure);
        testing::run([&]() -> awaitable<void> {
            const site s;
            auto mock =
                secure ? s.serves({"h2"}, slow) : testing::mock_connector(http::server(slow));
            http::client_options options = s.options();
            options.protocol = http::protocol::http_2;
            options.idle_timeout = 5s;
            http::client client(mock, options);
            const std::string url = secure ? "https://a/" : "http://a/";
            for (int i = 1; i <= 3; ++i) {
                co_await many(client, 10, url);
                CHECK(client.statistics() == http::pool_statistics{.open = 1, .idle = 1});
                co_await sleep_for(4s);
                co_await many(client, 10, url);
                CHECK(mock.connections() == static_cast<std::size_t>(i));
                co_await sleep_for(6s);
                CHECK(client.statistics() == http::pool_statistics{});
            }
            co_await client.close();
        });
    }
}

TEST_CASE(
    "close over TLS ends what is idle, busy and half open, and leaves every counter at zero") {
    for (const char* alpn : {"h2", "http/1.1"}) {
        CAPTURE(std::string(alpn));
        testing::run([&]() -> awaitable<void> {
            const auto ex = co_await asio::this_coro::executor;
            const auto counted = [&] { return testing::counters::of(context_info::of(ex)); };
            const site s;
            auto app = [](http::request r) -> awaitable<http::response> {
                co_await sleep_for(r.path() == "/slow" ? 2s : 1ms);
                co_return http::text("x");
            };
            auto mock = s.serves({alpn}, app);
            const testing::counters before = counted();
            {
                http::client client(mock, s.options());
                co_await many(client, 3, "https://b/");
                std::size_t answered = 0, refused = 0;
                co_await with_scope([&](task_scope& scope) -> awaitable<void> {
                    const auto ask = [&](std::string url) -> awaitable<void> {
                        auto r = co_await attempt(client.get(url).send());
                        if (r) co_await r->body().discard();
                        r ? ++answered : ++refused;
                    };
                    for (int i = 0; i < 3; ++i) scope.spawn(ask("https://a/slow"));
                    co_await sleep_for(10ms);
                    scope.spawn(ask("https://shop.test/slow"));  // whose handshake has just begun
                    co_await asio::post(ex, asio::use_awaitable);
                    co_await asio::post(ex, asio::use_awaitable);
                    co_await asio::post(ex, asio::use_awaitable);
                    CHECK(client.statistics().connecting == 1);
                    co_await client.close();
                    CHECK(client.statistics() == http::pool_statistics{});
                });
                CHECK(answered == 3);
                CHECK(refused == 1);
            }
            co_await sleep_for(3s);  // the server's side lingers
            CHECK(counted() == before);
        });
    }
}
