// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/matcher.hpp>

#include <doctest/doctest.h>

using namespace weft;

namespace {
http::request get(std::string_view target) { return {http::method::get, target}; }
http::request to(std::string_view host, std::string_view target = "/") {
    http::request r(http::method::get, target);
    r.headers().set("Host", host);
    return r;
}
}  // namespace

TEST_CASE("method_is: one of them") {
    const http::method_is one(http::method::get);
    const http::method_is some(http::method::put, http::method::delete_, http::method("PURGE"));
    CHECK(one(get("/")));
    CHECK_FALSE(some(get("/")));
    CHECK(some(http::request(http::method::delete_, "/")));
    CHECK(some(http::request(http::method("PURGE"), "/")));
    CHECK_FALSE(some(http::request(http::method("purge"), "/")));
}

TEST_CASE("path_is: the path and nothing else") {
    struct row {
        const char* path;
        const char* target;
        bool match;
    };
    const row rows[] = {
        {"/a", "/a", true},
        {"/a", "/a?x=1", true},
        {"/a", "http://h/a?x", true},
        {"/a", "/a/", false},
        {"/a", "/ab", false},
        {"/a", "/", false},
        {"/a", "/A", false},
        {"/admin", "/%61dmin", true},
        {"/admin", "/%61%64%6D%69%6e", true},
        {"/%61dmin", "/admin", true},
        {"/a~b", "/a%7Eb", true},
        {"/a%2Fb", "/a%2fb", true},
        {"/a/b", "/a%2Fb", false},
        {"/a%2", "/a%2", true},
        {"/a", "//a", false},
        {"/a", "/./a", false},
        {"/", "http://h", true},
        {"*", "*", true},
    };
    for (const row& r : rows) {
        CAPTURE(r.path);
        CAPTURE(r.target);
        CHECK(http::path_is(r.path)(get(r.target)) == r.match);
    }
}

TEST_CASE("path_under: the path and what is below it, by whole segments") {
    const http::path_under v1("/v1/");
    CHECK(v1(get("/v1")));
    CHECK(v1(get("/v1/")));
    CHECK(v1(get("/v1/a/b?c")));
    CHECK(v1(get("/%761/a")));
    CHECK_FALSE(v1(get("/v10")));
    CHECK_FALSE(v1(get("/v1%2Fa")));
    CHECK_FALSE(v1(get("/")));
    CHECK(http::path_under("/")(get("/anything")));
    CHECK(http::path_under("")(get("/")));
}

TEST_CASE("host_is: of the target, else of the Host field, without case and port") {
    CHECK(http::host_is("shop.test")(to("shop.test")));
    CHECK(http::host_is("shop.test")(to("SHOP.test:8080")));
    CHECK_FALSE(http::host_is("shop.test")(to("a.shop.test")));
    CHECK_FALSE(http::host_is("shop.test")(to("shop.test.evil")));
    CHECK(http::host_is("*.shop.test")(to("a.shop.test")));
    CHECK(http::host_is("*.shop.test")(to("a.b.shop.test")));
    CHECK_FALSE(http::host_is("*.shop.test")(to("shop.test")));
    CHECK_FALSE(http::host_is("*.shop.test")(to("ashop.test")));
    CHECK(http::host_is("a.test")(to("b.test", "http://a.test/")));
    CHECK_FALSE(http::host_is("b.test")(to("b.test", "http://a.test/")));
    CHECK(http::host_is("a.test")(get("http://user@a.test:80?x")));
    CHECK(http::host_is("[::1]")(to("[::1]:80")));
    CHECK(http::host_is("a.test")(http::request(http::method::connect, "a.test:443")));
    CHECK_FALSE(http::host_is("a.test")(get("/")));
}

TEST_CASE("fields: there, of a value, in a list") {
    http::request r = get("/");
    r.headers().add("X-A", "1");
    r.headers().add("X-A", "2");
    r.headers().add("Accept-Encoding", "gzip, BR");
    CHECK(http::has_header("x-a")(r));
    CHECK_FALSE(http::has_header("x-b")(r));
    CHECK(http::header_is("X-a", "2")(r));
    CHECK_FALSE(http::header_is("X-a", "3")(r));
    CHECK(http::header_lists("accept-encoding", "br")(r));
    CHECK_FALSE(http::header_lists("accept-encoding", "zstd")(r));
    CHECK((http::has_header("x-a") && !http::has_header("x-b"))(r));
}
