// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Where a request goes, seen from what a client's transport gets.
#include "../../lib/http/url.hpp"

#include <weft/core/failure.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weft;

namespace {

/// "https|host|port|target", or "refused".
std::string goes_to(std::string_view target, std::string_view host = {},
                    const http::method& m = http::method::get) {
    try {
        http::request r(m, target);
        if (!host.empty()) r.headers().add("Host", host);
        const http::detail::destination to = http::detail::destination_of(r);
        return std::string(to.scheme()) + "|" + to.host + "|" + std::to_string(to.port) + "|" +
               to.target;
    } catch (const failure& f) {
        CHECK(f.kind() == failure_kind::invalid_input);
        CHECK(std::string(f.what()).find("secret") == std::string::npos);
        return "refused";
    }
}

}  // namespace

TEST_CASE("a URL says where a request goes") {
    struct row {
        const char* url;
        const char* to;
    };
    const row rows[] = {
        {"http://shop.test/", "http|shop.test|80|/"},
        {"http://shop.test", "http|shop.test|80|/"},
        {"https://shop.test?x=1", "https|shop.test|443|/?x=1"},
        {"HTTP://Shop.TEST:8080/Cart?X=%7e", "http|shop.test|8080|/Cart?X=%7e"},
        {"https://shop.test:/", "https|shop.test|443|/"},
        {"http://a:000080/", "http|a|80|/"},
        {"http://ann:secret@shop.test/a@b:c", "http|shop.test|80|/a@b:c"},
        {"http://[2001:DB8::1]:81/", "http|2001:db8::1|81|/"},
        {"http://127.0.0.1/", "http|127.0.0.1|80|/"},
        {"http://ex%61mple.test/", "http|example.test|80|/"},
        {"http://shop.test./", "http|shop.test.|80|/"},
        {"http://a_b.test/a/../b?/?", "http|a_b.test|80|/a/../b?/?"},
    };
    for (const row& w : rows) {
        CAPTURE(std::string(w.url));
        CHECK(goes_to(w.url) == w.to);
    }
}

TEST_CASE("a URL that could lead to two places leads to none") {
    for (const char* url : {
             "shop.test/",
             "http:/shop.test/",
             "http:///x",
             "http://:80/",
             "ftp://a/",
             "/x",
             "*",
             "http://a:0/",
             "http://a:65536/",
             "http://a:+80/",
             "http://a:8o/",
             "http://[::1/",
             "http://[1:2]/",
             "http://[fe80::1%25eth0]/",
             "http://[v1.x]/",
             "http://a%4/",
             "http://127.0.0.1%00.evil.test/",
             "http://good.test%2fevil/",
             "http://good.test%40evil.test/",
             "http://good.test%3a80/",
             "http://a%25/",
             "http://good.test\\@evil.test/",
             "http://a/|",
             "http://a/%zz",
             "http://a/%4",
             "http://ann:secret@b@c/",
             "http://caf%C3%A9.test/",
             "1http://a/",
             "ht|tp://a/",
         }) {
        CAPTURE(std::string(url));
        CHECK(goes_to(url) == "refused");
    }
}

TEST_CASE("a Host field names a server and nothing else") {
    CHECK(goes_to("/cart?x=1", "shop.test:81") == "http|shop.test|81|/cart?x=1");
    CHECK(goes_to("*", "[::1]") == "http|::1|80|*");
    for (const char* host : {"good.test/evil", "ann@good.test", "good.test?", "a b", ":80", "a:0",
                             "a%00b", "http://a"}) {
        CAPTURE(std::string(host));
        CHECK(goes_to("/", host) == "refused");
    }
}

TEST_CASE("CONNECT names a server only") {
    const auto connect = [](std::string_view target) {
        return goes_to(target, {}, http::method::connect);
    };
    CHECK(connect("shop.test:443") == "http|shop.test|443|/");
    CHECK(connect("https://shop.test/x") == "https|shop.test|443|/x");
    CHECK(connect("/x") == "refused");
    CHECK(connect("a/b:443") == "refused");
}
