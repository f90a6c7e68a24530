// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a server chooses: certificates by name or by a service, protocols, and who its clients are.

#include "ends.hpp"
#include <weft/runtime/sleep.hpp>

#include <atomic>

using namespace tls_test;
using namespace std::literals;

namespace {

tls::client_config client() { return tls::client_config(client_options()); }

/// The certificate that a server shows to a client of that name.
awaitable<std::string> shown(tls::server_config server, std::string host) {
    ends e = co_await shake(client(), std::move(server), {host, 443});
    if (!e.client) co_return std::string(e.client.error().what());
    co_return info_of(*e.client).peer_chain[0].subject();
}

tls::identity named(std::string name) { return ca().server({std::move(name)}); }

tls::client_options client_called(const tls::identity& id) {
    tls::client_options o = client_options();
    o.identity = id;
    return o;
}

tls::server_options asking(tls::client_certificates how) {
    tls::server_options o = server_options();
    o.client_certificates = how;
    o.client_roots = {ca().root()};
    return o;
}

}  // namespace

TEST_CASE("the client's name chooses the certificate: exact, then wildcard, then the first") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o;
        o.identities = {ca().server({"first.test", "lonely.other.test"}), named("*.shop.test"),
                        named("www.shop.test"), named("UPPER.test")};
        const tls::server_config server(o);
        CHECK(co_await shown(server, "first.test") == "CN=first.test");
        CHECK(co_await shown(server, "www.shop.test") == "CN=www.shop.test");
        CHECK(co_await shown(server, "WWW.shop.TEST") == "CN=www.shop.test");
        CHECK(co_await shown(server, "api.shop.test") == "CN=*.shop.test");
        CHECK(co_await shown(server, "upper.test") == "CN=UPPER.test");
        CHECK(co_await shown(server, "lonely.other.test") == "CN=first.test");
        const std::string other = co_await shown(server, "nobody.test");
        CHECK(other.find("hostname mismatch") != std::string::npos);
        CHECK(other.find("CN=first.test") != std::string::npos);
    });
}

TEST_CASE("names that no certificate is for can be refused") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o = server_options();
        o.refuse_unknown_names = true;
        const tls::server_config server(o);
        ends e = co_await shake(client(), server, {"nobody.test", 443});
        REQUIRE(!e.client);
        CHECK(e.client.error().context("alert") == "unrecognized name");
        REQUIRE(!e.server);
        CHECK(e.server.error().context("name") == "nobody.test");
        // A client that says no name gets the first.
        ends f = co_await shake(client(), server, {"127.0.0.1", 443});
        CHECK(f.client);
    });
}

TEST_CASE("keys of two kinds serve one name, and the client's ciphers choose") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o;
        o.identities = {
            named("first.test"), named("both.test"),
            ca().server({"both.test"}, {.common_name = "rsa", .key = tls::key_kind::rsa_2048})};
        const tls::server_config server(o);
        tls::client_options c = client_options();
        c.max_version = tls::version::tls_1_2;
        c.ciphers.tls_1_2 = "ECDHE-RSA-AES128-GCM-SHA256";
        ends rsa = co_await shake(tls::client_config(c), server, {"both.test", 443});
        REQUIRE(rsa.client);
        CHECK(info_of(*rsa.client).peer_chain[0].subject() == "CN=rsa");
        c.ciphers.tls_1_2 = "ECDHE-ECDSA-AES128-GCM-SHA256";
        ends ecdsa = co_await shake(tls::client_config(c), server, {"both.test", 443});
        REQUIRE(ecdsa.client);
        CHECK(info_of(*ecdsa.client).peer_chain[0].subject() == "CN=both.test");
        // A name with one key only never falls back to another name's key.
        c.ciphers.tls_1_2 = "ECDHE-RSA-AES128-GCM-SHA256";
        ends none = co_await shake(tls::client_config(c), server, {"first.test", 443});
        CHECK(!none.client);
    });
}

TEST_CASE("a service gives certificates: it may take its time, and is asked once a name") {
    testing::run([]() -> awaitable<void> {
        int asked = 0;
        tls::server_options o;
        o.identities = {named("fallback.test")};
        o.certificates = [&asked](tls::client_hello hello) -> awaitable<tls::identity> {
            ++asked;
            CHECK(!hello.versions.empty());
            co_await sleep_for(2s);
            if (hello.server_name == "fallback.test") co_return tls::identity();
            if (hello.server_name == "broken.test")
                throw failure(failure_kind::unavailable, "the store is down");
            co_return named(hello.server_name);
        };
        o.certificate_cache = 2;
        o.certificate_max_age = 60s;
        const tls::server_config server(o);
        CHECK(co_await shown(server, "a.test") == "CN=a.test");
        CHECK(co_await shown(server, "a.test") == "CN=a.test");
        CHECK(asked == 1);
        CHECK(co_await shown(server, "b.test") == "CN=b.test");
        CHECK(co_await shown(server, "fallback.test") == "CN=fallback.test");
        CHECK(asked == 3);
        CHECK(co_await shown(server, "b.test") == "CN=b.test");
        CHECK(asked == 3);
        CHECK(co_await shown(server, "c.test") == "CN=c.test");
        CHECK(asked == 4);
        CHECK(co_await shown(server, "a.test") == "CN=a.test");  // it had to go
        CHECK(asked == 5);
        co_await sleep_for(61s);
        CHECK(co_await shown(server, "a.test") == "CN=a.test");
        CHECK(asked == 6);

        ends e = co_await shake(client(), server, {"broken.test", 443});
        REQUIRE(!e.server);
        CHECK(e.server.error().message() == "the store is down");
        CHECK(e.server.error().kind() == failure_kind::unavailable);
        REQUIRE(!e.client);
        CHECK(e.client.error().context("alert") == "internal error");
    });
}

TEST_CASE("a service that takes too long ends with the handshake's limit") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o;
        o.certificates = [](tls::client_hello) -> awaitable<tls::identity> {
            co_await sleep_for(1h);
            co_return shop();
        };
        ends e = co_await shake(client(), tls::server_config(o));
        REQUIRE(!e.server);
        CHECK(e.server.error().kind() == failure_kind::timeout);
    });
}

TEST_CASE("ALPN: the server's order counts, and no common protocol is refused") {
    testing::run([]() -> awaitable<void> {
        const auto agreed = [](std::vector<std::string> offered,
                               std::vector<std::string> spoken) -> awaitable<std::string> {
            tls::client_options c = client_options();
            c.alpn = std::move(offered);
            tls::server_options s = server_options();
            s.alpn = std::move(spoken);
            ends e = co_await shake(tls::client_config(c), tls::server_config(s));
            if (!e.client) {
                CHECK(e.client.error().kind() == failure_kind::protocol);
                CHECK(!e.server);
                co_return std::string(e.client.error().context("alert").value_or(""));
            }
            CHECK(info_of(*e.client).alpn == info_of(*e.server).alpn);
            co_return info_of(*e.client).alpn;
        };
        using list = std::vector<std::string>;
        const list both{"h2", "http/1.1"};
        const list reverse{"http/1.1", "h2"};
        CHECK(co_await agreed(both, both) == "h2");
        CHECK(co_await agreed(reverse, both) == "h2");
        CHECK(co_await agreed(both, reverse) == "http/1.1");
        const list none;
        CHECK(co_await agreed(none, both) == "");
        CHECK(co_await agreed(both, none) == "");
        const list other{"other"};
        CHECK(co_await agreed(other, both) == "no application protocol");
    });
}

TEST_CASE("a client certificate that is required must be there, and must be good") {
    testing::run([]() -> awaitable<void> {
        const tls::server_config server(asking(tls::client_certificates::required));
        for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
            tls::client_options good = client_called(ca().client("ann"));
            good.max_version = v;
            ends e = co_await shake(tls::client_config(good), server);
            REQUIRE(e.server);
            CHECK(info_of(*e.server).peer_verified);
            CHECK(info_of(*e.server).peer_chain[0].subject() == "CN=ann");
            co_await exchange_words(*e.client, *e.server);

            tls::client_options none = client_options();
            none.max_version = v;
            ends f = co_await shake(tls::client_config(none), server);
            REQUIRE(!f.server);
            CHECK(f.server.error().context("reason") == "peer did not return a certificate");
        }
    });
}

TEST_CASE("a client certificate of a foreign authority is refused on every path") {
    const tls::development_ca foreign("foreign");
    // Foreign, foreign with the right name for its issuer, and a server's certificate.
    const tls::development_ca impostor;
    for (const tls::identity& id :
         {foreign.client("ann"), impostor.client("ann"),
          impostor.client("ann", {.by_intermediate = true}), ca().server({"shop.test"})}) {
        for (const auto how :
             {tls::client_certificates::required, tls::client_certificates::optional}) {
            for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
                testing::run([&]() -> awaitable<void> {
                    tls::client_options c = client_called(id);
                    c.max_version = v;
                    const tls::client_config config(c);
                    const tls::server_config server(asking(how));
                    // Again and again: nothing of a refused session may be resumed.
                    for (int i = 0; i < 3; ++i) {
                        ends e = co_await shake(config, server);
                        REQUIRE(!e.server);
                        CHECK(e.server.error().kind() == failure_kind::authentication);
                        CHECK(e.server.error().context("certificate").has_value());
                        if (!e.client) continue;
                        // In TLS 1.3 the client learns of it when it reads.
                        const auto f = co_await read_failure(*e.client);
                        REQUIRE(f);
                        CHECK(f->kind() == failure_kind::rejected);
                    }
                });
            }
        }
    }
}

TEST_CASE("a session that was begun without a certificate is not resumed where one is required") {
    testing::run([]() -> awaitable<void> {
        const tls::server_config server(asking(tls::client_certificates::optional));
        const tls::client_config config = client();
        ends e = co_await shake(config, server);
        REQUIRE(e.server);
        co_await exchange_words(*e.client, *e.server);
        server.reload(asking(tls::client_certificates::required));
        ends f = co_await shake(config, server);
        CHECK(!f.server);
    });
}

TEST_CASE("a client certificate is optional: none is fine, and is seen to be none") {
    testing::run([]() -> awaitable<void> {
        const tls::server_config server(asking(tls::client_certificates::optional));
        ends e = co_await shake(client(), server);
        REQUIRE(e.server);
        CHECK(!info_of(*e.server).peer_verified);
        CHECK(info_of(*e.server).peer_chain.empty());
        ends f = co_await shake(tls::client_config(client_called(ca().client("bob"))), server);
        REQUIRE(f.server);
        CHECK(info_of(*f.server).peer_verified);
    });
}

TEST_CASE("reloading shows the new certificate to the next client, on all copies") {
    testing::run([]() -> awaitable<void> {
        const tls::server_config server(named("old.test"));
        const tls::server_config copy = server;
        CHECK(copy == server);
        CHECK(copy.hash() == server.hash());
        ends standing = co_await shake(client(), copy, {"old.test", 443});
        REQUIRE(standing.client);
        tls::server_options next;
        next.identities = {named("new.test")};
        server.reload(next);
        CHECK(co_await shown(copy, "new.test") == "CN=new.test");
        co_await exchange_words(*standing.client, *standing.server);
        CHECK_THROWS_AS(server.reload(tls::server_options()), failure);
        CHECK(co_await shown(copy, "new.test") == "CN=new.test");
        CHECK(copy.options()->identities.size() == 1);
    });
}

TEST_CASE("a name that only one of the first identities is for is served by that one") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o;
        o.identities = {ca().server({"a.test", "b.test"},
                                    {.common_name = "rsa", .key = tls::key_kind::rsa_2048}),
                        ca().server({"a.test"}, {.common_name = "ecdsa"})};
        const tls::server_config server(o);
        CHECK(co_await shown(server, "a.test") == "CN=ecdsa");
        CHECK(co_await shown(server, "b.test") == "CN=rsa");
    });
}

TEST_CASE("of two identities for one name with keys of one kind the first is shown") {
    testing::run([]() -> awaitable<void> {
        tls::server_options o;
        o.identities = {
            ca().server({"a.test"}, {.common_name = "first"}),
            ca().server({"a.test", "b.test"}, {.common_name = "second"}),
            ca().server({"b.test"}, {.common_name = "third"}),
        };
        const tls::server_config server(o);
        CHECK(co_await shown(server, "a.test") == "CN=first");
        CHECK(co_await shown(server, "b.test") == "CN=second");
    });
}

TEST_CASE("an answer of the service is for clients that say the same, and no other") {
    testing::run([]() -> awaitable<void> {
        std::vector<tls::client_hello> asked;
        tls::server_options o;
        o.certificates = [&asked](tls::client_hello hello) -> awaitable<tls::identity> {
            asked.push_back(hello);
            co_return shop();
        };
        const tls::server_config server(o);
        const auto visit = [&](tls::client_options c) -> awaitable<void> {
            c.session_cache = 0;
            ends e = co_await shake(tls::client_config(c), server);
            CHECK(e.client);
        };
        tls::client_options c = client_options();
        c.alpn = {"h2", "http/1.1"};
        co_await visit(c);
        co_await visit(c);
        CHECK(asked.size() == 1);
        c.alpn = {std::string("h2\0http/1.1", 11)};
        co_await visit(c);
        CHECK(asked.size() == 2);
        c.ciphers.tls_1_2 = "ECDHE-ECDSA-AES128-GCM-SHA256";
        co_await visit(c);
        CHECK(asked.size() == 3);
        c.max_version = tls::version::tls_1_2;
        co_await visit(c);
        CHECK(asked.size() == 4);
        // What is too long to be kept is asked each time.
        c.alpn.clear();
        for (int i = 0; i < 60; ++i) c.alpn.push_back("protocol " + std::to_string(i));
        co_await visit(c);
        co_await visit(c);
        CHECK(asked.size() == 6);
    });
}

TEST_CASE("names that are not the service's push none of its answers out") {
    testing::run([]() -> awaitable<void> {
        int asked = 0;
        tls::server_options o;
        o.identities = {named("fallback.test")};
        o.certificates = [&asked](tls::client_hello hello) -> awaitable<tls::identity> {
            ++asked;
            if (hello.server_name != "ours.test") co_return tls::identity();
            co_return named("ours.test");
        };
        o.certificate_cache = 2;
        const tls::server_config server(o);
        CHECK(co_await shown(server, "ours.test") == "CN=ours.test");
        for (int i = 0; i < 4; ++i)
            static_cast<void>(co_await shown(server, "x" + std::to_string(i) + ".test"));
        CHECK(asked == 5);
        CHECK(co_await shown(server, "ours.test") == "CN=ours.test");
        CHECK(asked == 5);
        static_cast<void>(co_await shown(server, "x3.test"));
        CHECK(asked == 5);
    });
}
