// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/deadline.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/cookie_jar.hpp>
#include <weft/http/layer/decompress.hpp>
#include <weft/http/layer/redirect.hpp>
#include <weft/http/server.hpp>
#include <weft/http/testing/layer_suite.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace weft;
using namespace std::literals;

namespace {

/// Redirects what begins with /CODE to the `to` of its query; tells what came to anywhere else.
struct everywhere {
    std::vector<std::string>* seen = nullptr;

    awaitable<http::response> serve(http::request r) const {
        const std::string content = co_await r.body().text();
        std::string line = std::string(r.method().text()) + " " + std::string(r.target());
        if (!content.empty()) line += " [" + content + "]";
        for (const char* name : {"Authorization", "Cookie", "Proxy-Authorization", "X-Key",
                                 "Content-Type", "Host", "Accept"})
            if (const auto value = r.header(name))
                line += " " + (name + ("=" + std::string(*value)));
        if (seen) seen->push_back(line);
        const auto to = r.query("to");
        if (!to) co_return http::text("here");
        http::response a(std::stoi(std::string(r.path().substr(1, 3))));
        a.headers().add("Location", *to);
        co_return a;
    }
};

using lines = std::vector<std::string>;

}  // namespace

TEST_CASE("redirects: what becomes of method and content") {
    struct row {
        int code;
        const char* method;
        const char* becomes;
    };
    for (const row& w : {
             row{301, "GET", "GET http://a.test/x"},
             row{301, "POST", "GET http://a.test/x"},
             row{301, "PUT", "PUT http://a.test/x [data] Content-Type=text/plain"},
             row{302, "POST", "GET http://a.test/x"},
             row{302, "HEAD", "HEAD http://a.test/x"},
             row{303, "GET", "GET http://a.test/x"},
             row{303, "PUT", "GET http://a.test/x"},
             row{303, "HEAD", "HEAD http://a.test/x"},
             row{307, "POST", "POST http://a.test/x [data] Content-Type=text/plain"},
             row{308, "PATCH", "PATCH http://a.test/x [data] Content-Type=text/plain"},
             row{300, "GET", nullptr},
             row{304, "GET", nullptr},
             row{305, "GET", nullptr},
             row{201, "POST", nullptr},
         }) {
        CAPTURE(w.code);
        CAPTURE(w.method);
        testing::run([&]() -> awaitable<void> {
            lines seen;
            auto app = http::follow_redirects() >> everywhere{&seen};
            const http::method m(w.method);
            const bool content = m != http::method::get && m != http::method::head;
            http::request q(m, "http://a.test/" + std::to_string(w.code) + "?to=/x",
                            content ? http::body("data") : http::body());
            if (content) q.headers().add("Content-Type", "text/plain");
            http::response r = co_await app.serve(std::move(q));
            REQUIRE(!seen.empty());
            CHECK(seen.size() == (w.becomes ? 2 : 1));
            if (w.becomes) {
                CHECK(seen.back() == w.becomes);
                CHECK(r.status() == 200);
                const auto* hop = r.extensions().get<http::redirect_hop>();
                REQUIRE(hop);
                CHECK(hop->status == w.code);
                CHECK(hop->to == "http://a.test/x");
            } else {
                CHECK(r.status() == w.code);
                CHECK(!r.extensions().get<http::redirect_hop>());
            }
        });
    }
}

TEST_CASE("redirects: where a Location leads") {
    struct row {
        const char* location;
        const char* target;
    };
    for (const row& w : {
             row{"/x", "http://a.test/x"},
             row{"x?y", "http://a.test/d/x?y"},
             row{"../x", "http://a.test/x"},
             row{"?q=1", "http://a.test/d/302?q=1"},
             row{"//b.test/x", "http://b.test/x"},
             row{"https://b.test:8443/x", "https://b.test:8443/x"},
             row{"http://user:secret@a.test/x#part", "http://a.test/x"},
             row{"/a b\xc3\xa9|", "http://a.test/a%20b%C3%A9%7C"},
             row{"/a%20b", "http://a.test/a%20b"},
         }) {
        CAPTURE(w.location);
        testing::run([&]() -> awaitable<void> {
            std::string last;
            auto app =
                http::follow_redirects() >> [&](http::request q) -> awaitable<http::response> {
                last = q.target();
                if (q.path() != "/d/302" || !q.query().empty()) co_return http::text("here");
                http::response a(302);
                a.headers().add("Location", w.location);
                co_return a;
            };
            co_await app.serve(http::request(http::method::get, "http://a.test/d/302"));
            CHECK(last == w.target);
        });
    }
}

TEST_CASE("redirects: secrets stay with their origin, and do not come back") {
    struct row {
        const char* to;
        bool kept;
    };
    for (const row& w : {row{"http://a.test/x", true}, row{"http://A.TEST:80/x", true},
                         row{"http://b.test/x", false}, row{"https://a.test/x", false},
                         row{"http://a.test:8080/x", false}, row{"http://x.a.test/x", false}}) {
        CAPTURE(w.to);
        testing::run([&]() -> awaitable<void> {
            lines seen;
            auto app = http::follow_redirects({.secret_fields = {"x-key"}}) >> everywhere{&seen};
            http::request q(http::method::get, "http://a.test/302?to="s + w.to);
            q.headers().add("Authorization", "A");
            q.headers().add("Cookie", "C");
            q.headers().add("Proxy-Authorization", "P");
            q.headers().add("X-Key", "K");
            q.headers().add("Host", "a.test");
            q.headers().add("Accept", "*/*");
            co_await app.serve(std::move(q));
            REQUIRE(seen.size() == 2);
            CHECK((seen[1].find("Authorization=A") != std::string::npos) == w.kept);
            CHECK((seen[1].find("Cookie=C") != std::string::npos) == w.kept);
            CHECK((seen[1].find("Proxy-Authorization=P") != std::string::npos) == w.kept);
            CHECK((seen[1].find("X-Key=K") != std::string::npos) == w.kept);
            CHECK((seen[1].find("Host=") != std::string::npos) == w.kept);
            CHECK(seen[1].find("Accept=*/*") != std::string::npos);
        });
    }
    testing::run([]() -> awaitable<void> {
        lines seen;
        auto app = http::follow_redirects() >> everywhere{&seen};
        http::request q(http::method::get,
                        "http://a.test/302?to=http://b.test/302?to=http://a.test/x");
        q.headers().add("Authorization", "A");
        http::response r = co_await app.serve(std::move(q));
        CHECK(seen == lines{"GET http://a.test/302?to=http://b.test/302?to=http://a.test/x "
                            "Authorization=A",
                            "GET http://b.test/302?to=http://a.test/x", "GET http://a.test/x"});
        std::vector<std::string> hops;
        for (const http::redirect_hop& hop : r.extensions().all<http::redirect_hop>())
            hops.push_back(hop.to);
        CHECK(hops == lines{"http://a.test/x", "http://b.test/302?to=http://a.test/x"});
    });
}

TEST_CASE("redirects: what is not followed is a failure that says why") {
    struct row {
        const char* url;
        failure_kind kind;
        const char* why;
    };
    for (const row& w : {
             row{"https://a.test/302?to=http://a.test/x", failure_kind::rejected,
                 "a redirect from https to http"},
             row{"http://a.test/302?to=ftp://a.test/x", failure_kind::rejected,
                 "a redirect to something else than http"},
             row{"http://a.test/302?to=javascript:alert(1)", failure_kind::rejected,
                 "a redirect to something else than http"},
             row{"http://a.test/302?to=http://a.test:x/", failure_kind::protocol,
                 "the redirect's Location is no URL"},
             row{"http://a.test/302?to=http://", failure_kind::protocol,
                 "the redirect's Location is no URL"},
         }) {
        CAPTURE(w.url);
        testing::run([&]() -> awaitable<void> {
            auto app = http::follow_redirects() >> everywhere{};
            auto r = co_await attempt(app.serve(http::request(http::method::get, w.url)));
            REQUIRE(!r);
            CHECK(r.error().kind() == w.kind);
            CHECK(r.error().message() == w.why);
            CHECK(r.error().delivered() == delivery::processed);
            CHECK(r.error().context("url"));
        });
    }
    testing::run([]() -> awaitable<void> {
        auto app = http::follow_redirects({.dangerously_allow_downgrade = true}) >> everywhere{};
        http::response r = co_await app.serve(
            http::request(http::method::get, "https://a.test/302?to=http://a.test/x"));
        CHECK(r.status() == 200);
    });
}

TEST_CASE("redirects: a circle ends after twenty") {
    testing::run([]() -> awaitable<void> {
        int asked = 0;
        auto app = http::follow_redirects() >> [&](http::request) -> awaitable<http::response> {
            ++asked;
            co_return http::redirect("/again");
        };
        auto r = co_await attempt(app.serve(http::request(http::method::get, "http://a.test/")));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::rejected);
        CHECK(r.error().message() == "more than 20 redirects");
        CHECK(asked == 21);
    });
}

TEST_CASE("redirects: a content that cannot be had twice is not sent again, but may be dropped") {
    testing::run([]() -> awaitable<void> {
        auto stream = [] {
            return http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                if (n++ > 0) co_return std::nullopt;
                co_return weft::bytes("data");
            });
        };
        lines seen;
        auto app = http::follow_redirects() >> everywhere{&seen};
        auto r = co_await attempt(
            app.serve(http::request(http::method::post, "http://a.test/307?to=/x", stream())));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::rejected);
        CHECK(seen.size() == 1);
        http::response ok = co_await app.serve(
            http::request(http::method::post, "http://a.test/303?to=/x", stream()));
        CHECK(ok.status() == 200);
        CHECK(seen.back() == "GET http://a.test/x");
    });
}

TEST_CASE(
    "redirects: a response without Location is given back; hops see the request's extensions") {
    testing::run([]() -> awaitable<void> {
        auto app = http::follow_redirects() >> [](http::request q) -> awaitable<http::response> {
            CHECK(q.extensions().get<deadline>());
            if (q.path() == "/x") co_return http::response(302);
            co_return http::redirect("/x");
        };
        http::request q(http::method::get, "http://a.test/");
        q.extensions().insert(deadline{});
        http::response r = co_await app.serve(std::move(q));
        CHECK(r.status() == 302);
    });
}

TEST_CASE("redirects: over connections, with cookies and compression in the stack") {
    testing::run([]() -> awaitable<void> {
        auto server = [](http::request r) -> awaitable<http::response> {
            if (r.path() == "/login") {
                http::response a = http::redirect("/home", http::status::see_other);
                a.headers().add("Set-Cookie", "id=7; Path=/");
                co_return a;
            }
            co_return http::text(std::string(r.method().text()) + " " +
                                 std::string(r.header("Cookie").value_or("none")));
        };
        const http::cookie_jar jar;
        auto api = http::follow_redirects() >> http::decompress() >> http::cookies(jar) >>
                   http::client{testing::mock_connector(http::server(server))};
        http::response r = co_await api.serve(
            http::request(http::method::post, "http://shop.test/login", "name=x"));
        CHECK(co_await r.body().text() == "GET id=7");
        int hops = 0;
        for (const http::redirect_hop& hop : r.extensions().all<http::redirect_hop>())
            hops += hop.status == 303;
        CHECK(hops == 1);
    });
}

TEST_CASE("layer laws over http: follow_redirects, decompress, cookies") {
    const auto keeps_the_laws = [](auto make) {
        const testing::http_layer_suite suite(make, {});
        for (const testing::http_layer_law& law : testing::http_layer_laws()) {
            const std::string what = suite.check(law);
            if (what != "") FAIL_CHECK(law.name << ": " << what);
        }
    };
    keeps_the_laws([] { return http::follow_redirects(); });
    keeps_the_laws([] { return http::decompress(); });
    keeps_the_laws([] { return http::cookies(http::cookie_jar()); });
}
