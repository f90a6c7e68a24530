// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Whom a client believes, and what it says of whom it does not.

#include "ends.hpp"

using namespace tls_test;
using namespace std::literals;

namespace {

/// A client of these options meets a server of this identity, under this name.
awaitable<ends> meet(tls::client_options client, tls::identity server,
                     tls::target to = shop_target) {
    ends e = co_await shake(tls::client_config(std::move(client)),
                            tls::server_config(std::move(server)), std::move(to));
    co_return e;
}

/// The client must refuse, with words that hold this reason; the server must learn of it.
void refused(const ends& e, std::string_view reason) {
    REQUIRE(!e.client);
    const failure& f = e.client.error();
    INFO(f.what());
    CHECK(f.kind() == failure_kind::authentication);
    CHECK(f.domain() == failure_domain::transport);
    CHECK(f.delivered() == delivery::not_sent);
    CHECK(f.context("host").has_value());
    CHECK(f.context("certificate").has_value());
    CHECK(f.context("reason").value_or("").find(reason) != std::string_view::npos);
    REQUIRE(!e.server);
    INFO(e.server.error().what());
    CHECK(e.server.error().context("alert").has_value());
    CHECK(e.server.error().delivered() == delivery::not_sent);
}

}  // namespace

TEST_CASE("a certificate of a believed root, for the name asked for, is good") {
    testing::run([]() -> awaitable<void> {
        ends e = co_await meet(client_options(), shop());
        REQUIRE(e.client);
        REQUIRE(e.server);
        const tls::info& info = info_of(*e.client);
        CHECK(info.version == tls::version::tls_1_3);
        CHECK(info.cipher == "TLS_AES_128_GCM_SHA256");
        CHECK(info.peer_verified);
        CHECK(!info.resumed);
        CHECK(info.server_name == "shop.test");
        REQUIRE(info.peer_chain.size() == 1);
        CHECK(info.peer_chain[0] == shop().certificate());
        CHECK(info_of(*e.server).server_name == "shop.test");
        CHECK(info_of(*e.server).peer_chain.empty());
        CHECK(!info_of(*e.server).peer_verified);
        CHECK(tls::to_string(info) == "TLS 1.3, TLS_AES_128_GCM_SHA256");
        co_await exchange_words(*e.client, *e.server);
    });
}

TEST_CASE("names are compared with the subjectAltName, wildcards for one label") {
    const tls::certificate c = shop().certificate();
    CHECK(c.matches("shop.test"));
    CHECK(c.matches("SHOP.test"));
    CHECK(c.matches("a.api.shop.test"));
    CHECK(!c.matches("a.b.api.shop.test"));
    CHECK(!c.matches("api.shop.test"));
    CHECK(!c.matches("www.shop.test"));
    CHECK(c.matches("127.0.0.1"));
    CHECK(c.matches("::1"));
    CHECK(!c.matches("127.0.0.2"));
    testing::run([]() -> awaitable<void> {
        for (const std::string host : {"shop.test", "SHOP.TEST", "shop.test.", "a.api.shop.test"}) {
            INFO(host);
            ends e = co_await meet(client_options(), shop(), {host, 443});
            CHECK(e.client);
        }
        for (const std::string host : {"www.shop.test", "api.shop.test", "a.b.api.shop.test"}) {
            INFO(host);
            ends e = co_await meet(client_options(), shop(), {host, 443});
            refused(e, "hostname mismatch");
        }
    });
}

TEST_CASE("a common name is no name") {
    testing::run([]() -> awaitable<void> {
        tls::development_options named{.common_name = "shop.test"};
        ends e = co_await meet(client_options(), ca().server({"other.test"}, named));
        refused(e, "hostname mismatch");
    });
}

TEST_CASE("an address is verified as an address, and not sent as a name") {
    testing::run([]() -> awaitable<void> {
        for (const std::string host : {"127.0.0.1", "::1"}) {
            ends e = co_await meet(client_options(), shop(), {host, 443});
            REQUIRE(e.client);
            CHECK(info_of(*e.client).server_name.empty());
            CHECK(info_of(*e.server).server_name.empty());
        }
        ends e = co_await meet(client_options(), shop(), {"127.0.0.2", 443});
        refused(e, "IP address mismatch");
        // A DNS name that looks like an address is none.
        ends f = co_await meet(client_options(), ca().server({"only.test"}), {"127.0.0.1", 443});
        refused(f, "IP address mismatch");
    });
}

TEST_CASE("the certificate of an unknown authority is refused") {
    testing::run([]() -> awaitable<void> {
        const tls::development_ca foreign("foreign");
        ends e = co_await meet(client_options(), foreign.server({"shop.test"}));
        refused(e, "local issuer certificate");
        CHECK(std::string_view(e.client.error().what()).find("shop.test") != std::string::npos);
    });
}

TEST_CASE("an intermediate authority is believed when it is in the chain, not without it") {
    testing::run([]() -> awaitable<void> {
        const tls::identity id = ca().server({"shop.test"}, {.by_intermediate = true});
        ends e = co_await meet(client_options(), id);
        REQUIRE(e.client);
        CHECK(info_of(*e.client).peer_chain.size() == 2);
        ends f = co_await meet(client_options(), tls::identity({id.certificate()}, id.key()));
        refused(f, "local issuer certificate");
    });
}

TEST_CASE("certificates are judged by the time of the context") {
    // In virtual time it is 2024-01-01.
    using namespace std::chrono;
    testing::run([]() -> awaitable<void> {
        const tls::development_options past{.not_after = sys_days(year(2023) / 12 / 31)};
        ends e = co_await meet(client_options(), ca().server({"shop.test"}, past));
        refused(e, "certificate has expired");
        const tls::development_options future{.not_before = sys_days(year(2024) / 1 / 2)};
        ends f = co_await meet(client_options(), ca().server({"shop.test"}, future));
        refused(f, "not yet valid");
        const tls::development_options now{.not_before = sys_days(year(2023) / 12 / 31),
                                           .not_after = sys_days(year(2024) / 1 / 2)};
        ends g = co_await meet(client_options(), ca().server({"shop.test"}, now));
        CHECK(g.client);
    });
}

TEST_CASE("a client's certificate does not make a server") {
    testing::run([]() -> awaitable<void> {
        ends e = co_await meet(client_options(), ca().client("shop.test"));
        refused(e, "purpose");
    });
}

TEST_CASE("a root may be the server's own certificate") {
    testing::run([]() -> awaitable<void> {
        tls::client_options o;
        o.roots = {shop().certificate()};
        ends e = co_await meet(o, shop());
        CHECK(e.client);
    });
}

TEST_CASE("without verification anybody is good, and it is known") {
    testing::run([]() -> awaitable<void> {
        const tls::development_ca foreign("foreign");
        tls::client_options o;
        o.verify = tls::verify::dangerously_none;
        ends e = co_await meet(o, foreign.server({"other.test"}));
        REQUIRE(e.client);
        CHECK(!info_of(*e.client).peer_verified);
        CHECK(info_of(*e.client).peer_chain.size() == 1);
    });
}

TEST_CASE("a pin is the key of one certificate of the verified chain") {
    testing::run([]() -> awaitable<void> {
        tls::client_options o = client_options();
        o.pins = {shop().certificate().pin()};
        ends own = co_await meet(o, shop());
        CHECK(own.client);
        o.pins = {ca().root().pin(), "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
        ends issuer = co_await meet(o, shop());
        CHECK(issuer.client);
        o.pins = {"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
        ends none = co_await meet(o, shop());
        refused(none, "pinned");
    });
}

TEST_CASE("without verification only the server's own key can be pinned") {
    testing::run([]() -> awaitable<void> {
        const tls::development_ca foreign("foreign");
        const tls::identity copied = foreign.server({"shop.test"});
        tls::client_options o;
        o.verify = tls::verify::dangerously_none;
        o.pins = {copied.certificate().pin()};
        ends own = co_await meet(o, copied);
        CHECK(own.client);
        // Whoever has seen a certificate can send it along.
        o.pins = {shop().certificate().pin()};
        const tls::identity liar({copied.certificate(), shop().certificate()}, copied.key());
        ends e = co_await meet(o, liar);
        refused(e, "pinned");
    });
}

TEST_CASE("options that cannot be used are refused when they are given") {
    const auto kind = [](auto make) {
        try {
            static_cast<void>(make());
        } catch (const failure& f) {
            return f.kind();
        }
        return failure_kind::internal;
    };
    constexpr auto invalid = failure_kind::invalid_input;
    tls::client_options c = client_options();
    c.pins = {"sha1/no"};
    CHECK(kind([&] { tls::client_config{c}; }) == invalid);
    c = client_options();
    c.ciphers.tls_1_2 = "NO-SUCH-CIPHER";
    CHECK(kind([&] { tls::client_config{c}; }) == invalid);
    c = client_options();
    c.alpn = {""};
    CHECK(kind([&] { tls::client_config{c}; }) == invalid);
    c = client_options();
    c.min_version = static_cast<tls::version>(0x0301);
    CHECK(kind([&] { tls::client_config{c}; }) == invalid);
    c = client_options();
    c.min_version = tls::version::tls_1_3;
    c.max_version = tls::version::tls_1_2;
    CHECK(kind([&] { tls::client_config{c}; }) == invalid);
    CHECK(kind([&] { tls::server_config{tls::server_options()}; }) == invalid);
    tls::server_options s = server_options();
    s.client_certificates = tls::client_certificates::optional;
    CHECK(kind([&] { tls::server_config{s}; }) == invalid);
    s = server_options();
    s.identities.emplace_back();
    CHECK(kind([&] { tls::server_config{s}; }) == invalid);
    CHECK(kind([&] { tls::identity({shop().certificate()}, ca().client("x").key()); }) == invalid);
    CHECK(kind([&] { return tls::certificate::from_pem("nothing"); }) == invalid);
    CHECK(kind([&] { return tls::certificate::from_file("/nowhere/ca.pem"); }) == invalid);
    CHECK(kind([&] { return tls::private_key::from_pem("nothing"); }) == invalid);
}

TEST_CASE("certificates, keys and chains pass through PEM") {
    const tls::identity id = ca().server({"a.test", "10.0.0.1"}, {.by_intermediate = true});
    const tls::identity again = tls::identity::from_pem(id.chain_pem(), id.key().pem().reveal());
    CHECK(again.chain() == id.chain());
    CHECK(again.certificate().names() == std::vector<std::string>{"a.test", "10.0.0.1"});
    CHECK(again.certificate().subject() == "CN=a.test");
    CHECK(again.certificate().issuer() == "CN=weft development CA intermediate");
    CHECK(tls::certificate::from_der(id.certificate().der()) == id.certificate());
    CHECK(id.certificate().fingerprint().size() == 64);
    CHECK(id.certificate().pin().size() == 51);
    CHECK(id.certificate().not_before() < id.certificate().not_after());
    CHECK(tls::certificate() == tls::certificate());
    CHECK(!(tls::certificate() == id.certificate()));
}

TEST_CASE("a host that begins with a dot is no name of a server") {
    testing::run([]() -> awaitable<void> {
        const tls::identity www = ca().server({"www.bank.test"});
        CHECK(www.certificate().matches("www.bank.test"));
        CHECK(!www.certificate().matches(".bank.test"));
        ends e = co_await meet(client_options(), www, {".bank.test", 443});
        REQUIRE(!e.client);
        CHECK(e.client.error().kind() == failure_kind::invalid_input);
        tls::connection_settings settings;
        settings.server_name = ".bank.test";
        ends f = co_await shake(tls::client_config(client_options()), tls::server_config(www),
                                {"www.bank.test", 443}, settings);
        REQUIRE(!f.client);
        CHECK(f.client.error().kind() == failure_kind::invalid_input);
    });
}

TEST_CASE("the text of a certificate controls no terminal") {
    const auto id = ca().server({"a.test", std::string("b.test\0.evil\x1b[2J", 16)},
                                {.common_name = "\xc3\xa4 \xc2\x9b"
                                                "31m \xe2\x80\xae"
                                                "txt \x1b"});
    CHECK(id.certificate().subject() == "CN=\xc3\xa4 \\C2\\9B31m \\E2\\80\\AEtxt \\1B");
    CHECK(id.certificate().names() == std::vector<std::string>{"a.test", "b.test\\00.evil\\1B[2J"});
}

TEST_CASE("a certificate without an end is good, and stays good when its session is resumed") {
    using time_point = tls::certificate::time_point;
    const auto id = ca().client("device", {.not_after = time_point::max()});
    CHECK(id.certificate().not_after() == time_point::max());
    CHECK(id.certificate().not_before() < id.certificate().not_after());
    testing::run([&]() -> awaitable<void> {
        tls::server_options s = server_options();
        s.client_certificates = tls::client_certificates::required;
        s.client_roots = {ca().root()};
        const tls::server_config server(s);
        tls::client_options c = client_options();
        c.identity = id;
        const tls::client_config client(c);
        for (const bool resumed : {false, true, true}) {
            ends e = co_await shake(client, server);
            REQUIRE(e.server);
            REQUIRE(e.client);
            CHECK(info_of(*e.server).resumed == resumed);
            CHECK(info_of(*e.server).peer_verified);
            co_await exchange_words(*e.client, *e.server);
        }
    });
}
