// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "resolvers.hpp"
#include <weft/dns/default_resolver.hpp>
#include <weft/dns/overrides.hpp>
#include <weft/dns/special_names.hpp>

#include <atomic>

using namespace resolvers;

namespace {

using family = net::address_family;

/// What `names` says to a question: addresses, or the failure's kind and code.
template <class Resolver>
awaitable<std::string> says(const Resolver& names, std::string name, family f = family::any,
                            std::uint16_t port = 0) {
    net::resolve_request what(std::move(name), f);
    what.port = port;
    auto r = co_await attempt(names.serve(std::move(what)));
    if (r) co_return text_of(*r);
    co_return std::string(to_string(r.error().kind()));
}

}  // namespace

TEST_CASE("special names are answered without asking anybody") {
    testing::run([]() -> awaitable<void> {
        scripted nobody;
        nobody.plan = {{}};
        const std::size_t longest = 63;
        auto names = dns::special_names() >> nobody;
        struct row {
            std::string name;
            family f;
            std::string_view answer;
        };
        for (const row& r : {
                 row{"192.0.2.7", family::any, "192.0.2.7"},
                 row{"192.0.2.7", family::v6, "unavailable"},
                 row{"::1", family::any, "::1"},
                 row{"2001:db8::8", family::v6, "2001:db8::8"},
                 row{"localhost", family::any, "::1 127.0.0.1"},
                 row{"LocalHost.", family::v4, "127.0.0.1"},
                 row{"a.b.localhost", family::v6, "::1"},
                 row{"invalid", family::any, "unavailable"},
                 row{"shop.INVALID", family::any, "unavailable"},
                 row{"facebookcorewwwi.onion", family::any, "unavailable"},
                 row{"", family::any, "invalid_input"},
                 row{".", family::any, "invalid_input"},
                 row{"a..b", family::any, "invalid_input"},
                 row{".a", family::any, "invalid_input"},
                 row{"a b", family::any, "invalid_input"},
                 row{std::string("a\0b", 3), family::any, "invalid_input"},
                 row{std::string("127.0.0.1\0.evil.test", 20), family::any, "invalid_input"},
                 row{std::string("::1\0", 4), family::any, "invalid_input"},
                 row{"a/b", family::any, "invalid_input"},
                 row{"[::1]", family::any, "invalid_input"},
                 row{"127.1", family::any, "invalid_input"},
                 row{"2130706433", family::any, "invalid_input"},
                 row{"0x7f000001", family::any, "invalid_input"},
                 row{"1.2.3.0X7F", family::any, "invalid_input"},
                 row{std::string(longest + 1, 'a') + ".test", family::any, "invalid_input"},
                 row{std::string(254, 'a'), family::any, "invalid_input"},
             }) {
            CAPTURE(r.name);
            CHECK(co_await says(names, r.name, r.f) == r.answer);
        }
        CHECK(nobody.asked() == 0);
        std::size_t asked = 0;
        for (const std::string& name :
             {std::string("localhost.test"), std::string("notlocalhost"), std::string("1.2.3.4a"),
              std::string("_sip._tcp.a.test"), std::string(longest, 'a') + ".test",
              std::string("xn--bcher-kva.test.")}) {
            CAPTURE(name);
            CHECK(co_await says(names, name) == "192.0.2.1");
            CHECK(nobody.asked() == ++asked);
        }
    });
}

TEST_CASE("overrides: a name before any, a port before none, the first before the second") {
    testing::run([]() -> awaitable<void> {
        scripted others;
        others.plan = {{.address = "198.51.100.1"}};
        auto names = dns::overrides({
                         dns::parse_override("*:443:192.0.2.1"),
                         {"Shop.test", {asio::ip::make_address("192.0.2.2")}},
                         dns::parse_override("shop.test:443:192.0.2.3,[2001:db8::3]"),
                         dns::parse_override("shop.test:*:192.0.2.9"),
                         dns::parse_override("six.test:*:2001:db8::6"),
                     }) >>
                     others;
        struct row {
            const char* name;
            std::uint16_t port;
            family f;
            std::string_view answer;
        };
        for (const row& r : {
                 row{"shop.test", 80, family::any, "192.0.2.2"},
                 row{"SHOP.test.", 443, family::any, "192.0.2.3 2001:db8::3"},
                 row{"shop.test", 443, family::v6, "2001:db8::3"},
                 row{"shop.test", 80, family::v6, "unavailable"},
                 row{"other.test", 443, family::any, "192.0.2.1"},
                 row{"other.test", 80, family::any, "198.51.100.1"},
                 row{"six.test", 0, family::v6, "2001:db8::6"},
             }) {
            CAPTURE(r.name);
            CAPTURE(r.port);
            CHECK(co_await says(names, r.name, r.f, r.port) == r.answer);
        }
        CHECK(others.asked() == 1);
    });
}

TEST_CASE("an override that cannot be read says why") {
    for (const char* text : {"", "a", "a:1", ":1:1.2.3.4", "a:0:1.2.3.4", "a:70000:1.2.3.4",
                             "a:x:1.2.3.4", "a:1:", "a:1:b", "a:1:1.2.3.4,b", "a:1:[1.2.3.4"}) {
        CAPTURE(text);
        try {
            dns::parse_override(text);
            FAIL("it was read");
        } catch (const failure& f) {
            CHECK(f.kind() == failure_kind::invalid_input);
            CHECK(f.context("text") == text);
        }
    }
    CHECK_THROWS_AS(dns::overrides({{"a.test", {}}}), failure);
}

TEST_CASE("the default resolver: overrides, special names, a cache, the system") {
    testing::run_real([]() -> awaitable<void> {
        auto asked = std::make_shared<std::atomic<int>>(0);
        dns::resolver_options options;
        options.overrides.push_back(dns::parse_override("localhost:80:192.0.2.80"));
        options.system.look_up = [asked](std::string, family) {
            asked->fetch_add(1);
            dns::answer a;
            a.addresses.push_back(asio::ip::make_address("192.0.2.1"));
            return a;
        };
        dns::resolver names = dns::default_resolver(options);
        CHECK(co_await says(names, "localhost", family::any, 80) == "192.0.2.80");
        CHECK(co_await says(names, "localhost") == "::1 127.0.0.1");
        CHECK(co_await says(names, "a.test") == "192.0.2.1");
        CHECK(co_await says(names, "a.test") == "192.0.2.1");
        CHECK(asked->load() == 1);
    });
}

TEST_CASE("a question can be asked again, and its copy sees what the first one was given") {
    net::resolve_request what("a.test", family::v4);
    what.port = 80;
    what.extensions().insert(std::string("fact"));
    auto again = what.replay();
    REQUIRE(again);
    CHECK(again->name == "a.test");
    CHECK(again->family == family::v4);
    CHECK(again->port == 80);
    CHECK(again->extensions().get<std::string>());
    CHECK(call_name(what) == "resolve a.test IPv4");
    CHECK(to_string(net::answer_source::stale_cache) == "stale cache");
}
