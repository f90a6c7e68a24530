// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Sessions that go on, settings of one connection, and the secrets of it.

#include "ends.hpp"
#include <weft/runtime/sleep.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/tls/error.hpp>

using namespace tls_test;
using namespace std::literals;

namespace {

tls::client_options version_only(tls::version v) {
    tls::client_options o = client_options();
    o.min_version = o.max_version = v;
    return o;
}

/// One connection, with words both ways, so that tickets arrive; whether it was resumed.
awaitable<bool> visit(tls::client_config client, tls::server_config server,
                      tls::target to = shop_target) {
    ends e = co_await shake(std::move(client), std::move(server), std::move(to));
    REQUIRE(e.client);
    REQUIRE(e.server);
    co_await exchange_words(*e.client, *e.server);
    CHECK(info_of(*e.client).resumed == info_of(*e.server).resumed);
    co_return info_of(*e.client).resumed;
}

}  // namespace

TEST_CASE("a second connection resumes the session, and still knows who the server is") {
    for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
        testing::run([&]() -> awaitable<void> {
            const tls::client_config client(version_only(v));
            const tls::server_config server(server_options());
            CHECK(!co_await visit(client, server));
            CHECK(co_await visit(client, server));
            CHECK(co_await visit(client, server));
            ends e = co_await shake(client, server);
            CHECK(info_of(*e.client).resumed);
            CHECK(info_of(*e.client).version == v);
            REQUIRE(info_of(*e.client).peer_chain.size() == 1);
            CHECK(info_of(*e.client).peer_verified);
            CHECK(info_of(*e.server).server_name == "shop.test");
            CHECK(tls::to_string(info_of(*e.client)).ends_with(", resumed"));
        });
    }
}

TEST_CASE("a session belongs to its host, port and configuration") {
    testing::run([]() -> awaitable<void> {
        const tls::client_config client(client_options());
        const tls::server_config server(server_options());
        CHECK(!co_await visit(client, server, {"shop.test", 443}));
        CHECK(!co_await visit(client, server, {"a.api.shop.test", 443}));
        CHECK(!co_await visit(client, server, {"shop.test", 444}));
        const tls::client_config other(client_options());
        CHECK(!co_await visit(other, server, {"shop.test", 443}));
        CHECK(co_await visit(client, server, {"shop.test", 443}));
    });
}

TEST_CASE("the cache holds so many servers, the ones used last") {
    testing::run([]() -> awaitable<void> {
        tls::client_options o = client_options();
        o.session_cache = 2;
        const tls::client_config client(o);
        const tls::server_config server(server_options());
        for (const std::uint16_t port : std::initializer_list<std::uint16_t>{1, 2, 3})
            CHECK(!co_await visit(client, server, {"shop.test", port}));
        CHECK(co_await visit(client, server, {"shop.test", 3}));
        CHECK(co_await visit(client, server, {"shop.test", 2}));
        CHECK(!co_await visit(client, server, {"shop.test", 1}));
        o.session_cache = 0;
        const tls::client_config forgetful(o);
        CHECK(!co_await visit(forgetful, server));
        CHECK(!co_await visit(forgetful, server));
    });
}

TEST_CASE("a server without tickets resumes nothing") {
    testing::run([]() -> awaitable<void> {
        for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
            tls::server_options o = server_options();
            o.session_tickets = 0;
            const tls::client_config client(version_only(v));
            const tls::server_config server(o);
            CHECK(!co_await visit(client, server));
            CHECK(!co_await visit(client, server));
        }
    });
}

TEST_CASE("tickets outlive a reload, another server knows none of them") {
    testing::run([]() -> awaitable<void> {
        const tls::client_config client(client_options());
        const tls::server_config server(server_options());
        CHECK(!co_await visit(client, server));
        server.reload(server_options());
        CHECK(co_await visit(client, server));
        const tls::server_config stranger(server_options());
        CHECK(!co_await visit(client, stranger));
    });
}

TEST_CASE("the keys of tickets are changed, and forgotten") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o = server_options();
        o.ticket_lifetime = 1h;
        const tls::server_config server(o);
        const tls::client_config early(client_options());
        const tls::client_config late(client_options());
        CHECK(!co_await visit(early, server));
        CHECK(!co_await visit(late, server));
        co_await sleep_for(61min);  // the next ticket is made with a new key
        CHECK(co_await visit(early, server));
        co_await sleep_for(60min);
        CHECK(co_await visit(early, server));
        CHECK(!co_await visit(late, server));
    });
}

TEST_CASE("a resumed session's client certificate must still be in time") {
    using namespace std::chrono;
    testing::run([]() -> awaitable<void> {
        tls::server_options s = server_options();
        s.client_certificates = tls::client_certificates::required;
        s.client_roots = {ca().root()};
        const tls::server_config server(s);
        tls::client_options c = client_options();
        c.identity = ca().client("ann", {.not_after = sys_days(year(2024) / 1 / 1) + 90min});
        const tls::client_config client(c);
        CHECK(!co_await visit(client, server));
        co_await sleep_for(1h);
        CHECK(co_await visit(client, server));
        co_await sleep_for(31min);
        ends e = co_await shake(client, server);
        REQUIRE(!e.server);
        CHECK(e.server.error().kind() == failure_kind::authentication);
        CHECK(std::string_view(e.server.error().what()).find("expired") != std::string::npos);
        // The client is told: by its handshake, or (TLS 1.3) by its first read.
        REQUIRE(e.client);
        const auto told = co_await read_failure(*e.client);
        REQUIRE(told);
        CHECK(told->code().category() == tls::alert_category());
    });
}

TEST_CASE("a client is verified anew a day after it was, however often it came back") {
    testing::run([]() -> awaitable<void> {
        tls::server_options s = server_options();
        s.client_certificates = tls::client_certificates::required;
        s.client_roots = {ca().root()};
        const tls::server_config server(s);
        const tls::server_config anybody(server_options());
        tls::client_options c = client_options();
        c.identity = ca().client("ann");
        const tls::client_config client(c);
        const tls::client_config other(client_options());
        CHECK(!co_await visit(client, server));
        CHECK(!co_await visit(other, anybody));
        for (int hour = 1; hour < 24; ++hour) {
            co_await sleep_for(1h);
            CHECK(co_await visit(client, server));
            CHECK(co_await visit(other, anybody));
        }
        co_await sleep_for(1h);
        CHECK(!co_await visit(client, server));
        CHECK(co_await visit(client, server));
        CHECK(co_await visit(other, anybody));  // nobody was verified: nothing grows old
    });
}

TEST_CASE("of a resumed session a server knows the client's own certificate") {
    testing::run([]() -> awaitable<void> {
        tls::server_options s = server_options();
        s.client_certificates = tls::client_certificates::required;
        s.client_roots = {ca().root()};
        const tls::server_config server(s);
        tls::client_options c = client_options();
        c.identity = ca().client("ann", {.by_intermediate = true});
        const tls::client_config client(c);
        for (const bool resumed : {false, true}) {
            ends e = co_await shake(client, server);
            REQUIRE(e.server);
            CHECK(info_of(*e.server).resumed == resumed);
            REQUIRE(info_of(*e.server).peer_chain.size() == (resumed ? 1 : 2));
            CHECK(info_of(*e.server).peer_chain[0].subject() == "CN=ann");
            co_await exchange_words(*e.client, *e.server);
        }
    });
}

TEST_CASE("a handshake that began earlier does not take the tickets of one that ended earlier") {
    testing::run([]() -> awaitable<void> {
        const tls::server_config server(server_options());
        const tls::client_config slow(client_options());
        const tls::client_config quick(client_options());
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        auto late = [&]() -> awaitable<io::stream> {
            co_await sleep_for(5s);
            CHECK(!co_await visit(quick, server));  // makes the first key
            co_return co_await tls::handshake(std::move(near), slow, shop_target);
        };
        auto both = co_await when_all(tls::accept(std::move(far), server), late());
        co_await exchange_words(std::get<1>(both), std::get<0>(both));
        CHECK(co_await visit(quick, server));
        CHECK(co_await visit(slow, server));
    });
}

TEST_CASE("what a request says of TLS goes before the layer's configuration") {
    testing::run([]() -> awaitable<void> {
        tls::server_options s = server_options();
        s.alpn = {"h2", "http/1.1"};
        std::vector<tls::info> seen;
        auto app = [&seen](io::stream stream) -> awaitable<void> {
            seen.push_back(info_of(stream));
            const std::string text = co_await read_text(stream, 4);
            co_await stream.write(bytes(text));
        };
        const auto connect = tls::connect(tls::client_config(client_options())) >>
                             testing::mock_connector(tls::acceptor(tls::server_config(s)) >> app);

        net::connect_request to("10.1.2.3", 443);
        tls::connection_settings settings;
        settings.server_name = "shop.test";
        settings.alpn = {"http/1.1"};
        to.extensions().insert(settings);
        io::stream one = co_await connect.serve(std::move(to));
        CHECK(info_of(one).alpn == "http/1.1");
        co_await one.write(bytes::literal("ping"));
        CHECK(co_await read_text(one, 4) == "ping");
        CHECK(seen.at(0).server_name == "shop.test");

        tls::client_options foreign;
        foreign.roots = {tls::development_ca("foreign").root()};
        net::connect_request other("shop.test", 443);
        other.extensions().insert(tls::client_config(foreign));
        auto refused =
            co_await attempt((tls::connect(tls::client_config(client_options())) >>
                              testing::mock_connector([](io::stream stream) -> awaitable<void> {
                                  auto r = co_await attempt(tls::accept(
                                      std::move(stream), tls::server_config(server_options())));
                                  CHECK(!r);
                              })).serve(std::move(other)));
        REQUIRE(!refused);
        CHECK(refused.error().kind() == failure_kind::authentication);
    });
}

TEST_CASE("settings of TLS are part of a pool's key") {
    const tls::client_config one(client_options());
    const tls::client_config two(client_options());
    CHECK(one == tls::client_config(one));
    CHECK(!(one == two));
    extensions a;
    extensions b;
    a.insert(one);
    b.insert(tls::client_config(one));
    CHECK(connection_scoped_of(a) == connection_scoped_of(b));
    b.insert(two);
    CHECK(!(connection_scoped_of(a) == connection_scoped_of(b)));
    tls::connection_settings s;
    s.alpn = {"h2"};
    tls::connection_settings t = s;
    CHECK(std::hash<tls::connection_settings>()(s) == std::hash<tls::connection_settings>()(t));
    t.server_name = "x";
    CHECK(!(s == t));
}

TEST_CASE("the key log has the lines of SSLKEYLOGFILE") {
    testing::run([]() -> awaitable<void> {
        std::vector<std::string> lines;
        tls::client_options o = client_options();
        o.dangerous_key_log = [&lines](std::string_view line) { lines.emplace_back(line); };
        ends e = co_await shake(tls::client_config(o), tls::server_config(server_options()));
        CHECK(e.client);
        REQUIRE(lines.size() >= 4);
        CHECK(lines[0].starts_with("SERVER_HANDSHAKE_TRAFFIC_SECRET "));
    });
}
