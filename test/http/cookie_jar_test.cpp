// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/cookie_jar.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace weft;
using namespace std::literals;

namespace {

using site = http::request_site;
constexpr http::cookie::time_point now =
    std::chrono::sys_days(std::chrono::year(2024) / std::chrono::January / 1);

constexpr const char* shop = "https://www.shop.test/a/b";

struct row {
    const char* from;  ///< who sets it
    const char* set_cookie;
    const char* to;    ///< who is asked
    const char* sent;  ///< "" for nothing
};

void check(const row& r) {
    CAPTURE(r.from);
    CAPTURE(r.set_cookie);
    CAPTURE(r.to);
    const http::cookie_jar jar;
    jar.store(r.from, r.set_cookie, now);
    CHECK(jar.header(r.to, now) == r.sent);
}

}  // namespace

TEST_CASE("cookies: names and values as servers write them") {
    for (const row& r : {
             row{shop, "a=b", shop, "a=b"},
             row{shop, "  a  =  b c  ; Path=/", shop, "a=b c"},
             row{shop, "a=b=c", shop, "a=b=c"},
             row{shop, "a=\"b c\"", shop, "a=\"b c\""},
             row{shop, "a=", shop, "a="},
             row{shop, "=b", shop, "b"},
             row{shop, "b", shop, "b"},
             row{shop, "", shop, ""},
             row{shop, "=", shop, ""},
             row{shop, ";a=b", shop, ""},
             row{shop, "a=b;;;Path=/;", shop, "a=b"},
             row{shop, "a=\x01", shop, ""},
             row{shop, "a=b\x7f", shop, ""},
             row{shop, "a=b; Path=/\x1f", shop, ""},
             row{shop, "a=\xc3\xa9", shop, "a=\xc3\xa9"},
         })
        check(r);
    const http::cookie_jar jar;
    CHECK(jar.store(shop, "a=" + std::string(4095, 'x'), now));
    CHECK(!jar.store(shop, "a=" + std::string(4096, 'x'), now));
    CHECK(jar.store(shop, "b=1; Path=/" + std::string(1024, 'p'), now));
    CHECK(jar.header(shop, now).find("b=1") != std::string::npos);  // that path was ignored
}

TEST_CASE("cookies: domains") {
    for (const row& r : {
             row{shop, "a=b", "https://www.shop.test/a/", "a=b"},
             row{shop, "a=b", "https://x.www.shop.test/a/", ""},
             row{shop, "a=b", "https://shop.test/a/", ""},
             row{shop, "a=b; Domain=shop.test", "https://api.shop.test/a/", "a=b"},
             row{shop, "a=b; Domain=.SHOP.test", "https://shop.test/a/", "a=b"},
             row{shop, "a=b; Domain=shop.test", "https://myshop.test/a/", ""},
             row{shop, "a=b; Domain=api.shop.test", "https://api.shop.test/a/", ""},
             row{shop, "a=b; Domain=other.test", shop, ""},
             row{shop, "a=b; Domain=test", shop, ""},
             row{shop, "a=b; Domain=", "https://www.shop.test/a/", "a=b"},
             row{shop, "a=b; Domain=shop.test; Domain=www.shop.test", "https://shop.test/a/", ""},
             row{"http://192.0.2.1/", "a=b", "http://192.0.2.1/", "a=b"},
             row{"http://192.0.2.1/", "a=b; Domain=2.1", "http://192.0.2.1/", ""},
             row{"http://[2001:db8::1]/", "a=b", "http://[2001:db8::1]/", "a=b"},
             row{"http://localhost/", "a=b; Domain=localhost", "http://localhost/", "a=b"},
             row{"http://localhost/", "a=b; Domain=localhost", "http://x.localhost/", ""},
         })
        check(r);
    if (!http::knows_public_suffixes()) return;
    for (const row& r : {
             row{"https://a.co.uk/", "a=b; Domain=co.uk", "https://b.co.uk/", ""},
             row{"https://a.co.uk/", "a=b; Domain=a.co.uk", "https://x.a.co.uk/", "a=b"},
             row{"https://me.github.io/", "a=b; Domain=github.io", "https://you.github.io/", ""},
         })
        check(r);
}

TEST_CASE("cookies: paths") {
    for (const row& r : {
             row{shop, "a=b", "https://www.shop.test/a", "a=b"},
             row{shop, "a=b", "https://www.shop.test/a/x?y", "a=b"},
             row{shop, "a=b", "https://www.shop.test/ab", ""},
             row{shop, "a=b", "https://www.shop.test/", ""},
             row{"https://www.shop.test", "a=b", "https://www.shop.test/x", "a=b"},
             row{"https://www.shop.test/x?p=/y/z", "a=b", "https://www.shop.test/", "a=b"},
             row{shop, "a=b; Path=/c", "https://www.shop.test/c/d", "a=b"},
             row{shop, "a=b; Path=/c/", "https://www.shop.test/c", ""},
             row{shop, "a=b; Path=/c/", "https://www.shop.test/c/", "a=b"},
             row{shop, "a=b; Path=relative", "https://www.shop.test/a/x", "a=b"},
             row{shop, "a=b; Path=/x; Path=", "https://www.shop.test/a/x", "a=b"},
         })
        check(r);
}

TEST_CASE("cookies: Secure, SameSite and the prefixes") {
    for (const row& r : {
             row{shop, "a=b; Secure", "http://www.shop.test/a/", ""},
             row{shop, "a=b; secure; HttpOnly", shop, "a=b"},
             row{"http://www.shop.test/a/", "a=b; Secure", shop, ""},
             row{shop, "a=b; SameSite=None", shop, ""},
             row{shop, "a=b; SameSite=None; Secure", shop, "a=b"},
             row{shop, "a=b; SameSite=what", shop, "a=b"},
             row{shop, "__Secure-a=b", shop, ""},
             row{shop, "__secure-a=b", shop, ""},
             row{shop, "__Secure-a=b; Secure", shop, "__Secure-a=b"},
             row{shop, "__Host-a=b; Secure", shop, ""},
             row{shop, "__Host-a=b; Secure; Path=/", shop, "__Host-a=b"},
             row{shop, "__Host-a=b; Secure; Path=/a", shop, ""},
             row{shop, "__Host-a=b; Secure; Path=/; Domain=www.shop.test", shop, ""},
             row{shop, "__HOST-a=b; Path=/", shop, ""},
             row{shop, "=__Host-a=b", shop, ""},
             row{shop, "__secure-b", shop, ""},
         })
        check(r);
}

TEST_CASE("cookies: nobody overwrites or hides a secure one over http") {
    const http::cookie_jar jar;
    CHECK(
        jar.store("https://www.shop.test/", "a=good; Secure; Domain=shop.test; Path=/login", now));
    CHECK(!jar.store("http://www.shop.test/", "a=evil; Path=/login", now));
    CHECK(!jar.store("http://www.shop.test/", "a=evil; Path=/login/x", now));
    CHECK(jar.store("http://www.shop.test/", "a=other; Path=/elsewhere", now));
    CHECK(!jar.store("http://shop.test/", "a=evil; Path=/login; Domain=shop.test", now));
    CHECK(jar.header("https://www.shop.test/login", now) == "a=good");
}

TEST_CASE("cookies: SameSite and where a request comes from") {
    const http::cookie_jar jar;
    jar.store(shop, "none=1; SameSite=None; Secure", now);
    jar.store(shop, "lax=1; SameSite=Lax", now);
    jar.store(shop, "strict=1; SameSite=Strict", now);
    jar.store(shop, "unset=1", now);
    const auto get = http::method::get;
    const auto post = http::method::post;
    CHECK(jar.header(shop, now, get, site::same) == "none=1; lax=1; strict=1; unset=1");
    CHECK(jar.header(shop, now, get, site::navigation) == "none=1; lax=1; unset=1");
    CHECK(jar.header(shop, now, post, site::navigation) == "none=1");
    CHECK(jar.header(shop, now, get, site::cross) == "none=1");
    CHECK(!jar.store(shop, "x=1", now, site::cross));
    CHECK(jar.store(shop, "x=1; SameSite=None; Secure", now, site::cross));
}

TEST_CASE("cookies: how long they live") {
    struct life {
        const char* attributes;
        std::chrono::seconds lives;  ///< 0: not at all; -1: as long as the jar
    };
    constexpr auto year = std::chrono::seconds(24h * 400);
    for (const life& l : {
             life{"", -1s},
             life{"; Max-Age=60", 60s},
             life{"; Max-Age=0", 0s},
             life{"; Max-Age=-5", 0s},
             life{"; Max-Age=+5", -1s},
             life{"; Max-Age=5x", -1s},
             life{"; Max-Age=-", -1s},
             life{"; Max-Age=99999999999999999999", year},
             life{"; Expires=Mon, 01 Jan 2024 00:01:00 GMT", 60s},
             life{"; Expires=Monday, 01-Jan-24 00:01:00 GMT", 60s},
             life{"; expires=Mon Jan  1 00:01:00 2024", 60s},
             life{"; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 0s},
             life{"; Expires=Fri, 31 Dec 9999 23:59:59 GMT", year},
             life{"; Expires=never", -1s},
             life{"; Expires=Mon, 32 Jan 2024 00:01:00 GMT", -1s},
             life{"; Expires=Mon, 01 Jan 2024 24:01:00 GMT", -1s},
             life{"; Expires=Mon, 30 Feb 2024 00:01:00 GMT", -1s},
             life{"; Expires=Mon, 01 Jan 1600 00:01:00 GMT", -1s},
             life{"; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60s},
             life{"; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", 60s},
             life{"; Max-Age=5; Max-Age=60", 60s},
         }) {
        CAPTURE(l.attributes);
        const http::cookie_jar jar;
        jar.store(shop, std::string("a=b") + l.attributes, now);
        if (l.lives == 0s) {
            CHECK(jar.size() == 0);
        } else if (l.lives < 0s) {
            CHECK(jar.header(shop, now + 24h * 3650) == "a=b");
        } else {
            CHECK(jar.header(shop, now + l.lives - 1s) == "a=b");
            CHECK(jar.header(shop, now + l.lives) == "");
        }
    }
}

TEST_CASE("cookies: longer paths go first, then older cookies; a new one keeps the old one's age") {
    const http::cookie_jar jar;
    jar.store(shop, "one=1; Path=/", now);
    jar.store(shop, "two=2; Path=/", now + 1s);
    jar.store(shop, "deep=3; Path=/a/b", now + 2s);
    CHECK(jar.header(shop, now + 3s) == "deep=3; one=1; two=2");
    jar.store(shop, "one=new; Path=/", now + 4s);
    CHECK(jar.header(shop, now + 5s) == "deep=3; one=new; two=2");
    jar.store(shop, "one=; Path=/; Max-Age=0", now + 6s);
    CHECK(jar.header(shop, now + 7s) == "deep=3; two=2");
    CHECK(jar.size() == 2);
    CHECK(jar.all()[0].name == "two");
    jar.clear();
    CHECK(jar.size() == 0);
}

TEST_CASE("cookies: when there are too many, the expired go, then the least recently used") {
    const http::cookie_jar jar({.max_cookies = 5, .max_per_domain = 3});
    jar.store(shop, "secure=1; Secure", now);
    jar.store(shop, "old=1", now + 1s);
    jar.store(shop, "new=1", now + 2s);
    jar.store(shop, "newer=1", now + 3s);
    CHECK(jar.header(shop, now + 4s) == "secure=1; new=1; newer=1");
    jar.store(shop, "short=1; Max-Age=1", now + 4s);
    CHECK(jar.size() == 3);
    jar.store(shop, "next=1", now + 9s);
    CHECK(jar.header(shop, now + 9s).find("short") == std::string::npos);
    for (int i = 0; i < 9; ++i)
        jar.store("https://h" + std::to_string(i) + ".test/", "a=b", now + 10s);
    CHECK(jar.size() == 5);
}

TEST_CASE("cookies: a URL that is none is refused") {
    const http::cookie_jar jar;
    CHECK_THROWS_AS(jar.store("ftp://a.test/", "a=b", now), failure);
    CHECK_THROWS_AS(static_cast<void>(jar.header("nonsense", now)), failure);
}

TEST_CASE("cookies: the layer sends them and keeps what comes, by the context's clock") {
    testing::run([]() -> awaitable<void> {
        auto server = [](http::request r) -> awaitable<http::response> {
            http::response a = http::text(std::string(r.header("Cookie").value_or("none")));
            if (r.path() == "/login") {
                a.headers().add("Set-Cookie", "id=7; Max-Age=30; Path=/");
                a.headers().add("Set-Cookie", "theme=dark; Path=/");
                a.headers().add("Set-Cookie", "bad=1; Domain=other.test");
            }
            co_return a;
        };
        const http::cookie_jar jar;
        auto api =
            http::cookies(jar) >> http::client{testing::mock_connector(http::server(server))};
        auto get = [&](const char* url, const char* own = nullptr) -> awaitable<std::string> {
            http::request q(http::method::get, url);
            if (own) q.headers().add("Cookie", own);
            http::response r = co_await api.serve(std::move(q));
            co_return co_await r.body().text();
        };
        CHECK(co_await get("http://shop.test/login") == "none");
        CHECK(jar.size() == 2);
        CHECK(co_await get("http://shop.test/x") == "id=7; theme=dark");
        CHECK(co_await get("http://shop.test/x", "own=1") == "own=1; id=7; theme=dark");
        CHECK(co_await get("http://other.test/x") == "none");
        co_await sleep_for(30s);
        CHECK(co_await get("http://shop.test/x") == "theme=dark");
    });
}
