// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/core/logfmt_observer.hpp>
#include <weft/http/server.hpp>

#include <stdexcept>

using namespace peers;

namespace {

const std::string get = "GET /cart?card=4111 HTTP/1.1\r\nHost: a\r\n\r\n";

/// Everything that is told, as logfmt without places.
struct ear {
    std::string heard;
    observer listener(severity minimum = severity::trace) {
        return logfmt_observer({.minimum = minimum,
                                .write = [this](std::string_view line) { heard += line; },
                                .locations = false});
    }
};

const auto breaks = [](http::request) -> awaitable<http::response> {
    throw std::runtime_error("no more shoes");
    co_return http::response();
};

}  // namespace

TEST_CASE("a server tells its observer how many requests it answered, and with what") {
    ear e;
    answer_to(get + get, hello, {.half_close = true, .observe = e.listener()});
    CHECK(count(e.heard, "weft.http.server.requests") == 2);
    CHECK(count(e.heard, "http.response.status_code=200") == 2);
    CHECK(count(e.heard, "weft.http.server.connections") == 2);  // one came, and went
}

TEST_CASE("a server tells its observer of an application that threw, without the query") {
    ear e;
    const std::string answer =
        answer_to(get, breaks, {.half_close = true, .observe = e.listener(severity::warn)});
    CHECK(answer.starts_with("HTTP/1.1 500 "));
    CHECK(!has(answer, "shoes"));
    CHECK(count(e.heard, "\n") == 1);
    CHECK(has(e.heard, "level=error msg=\"the application failed\""));
    CHECK(has(e.heard, "no more shoes"));
    CHECK(has(e.heard, "GET /cart"));
    CHECK(has(e.heard, "http.response.status_code=500"));
    CHECK(!has(e.heard, "4111"));
}

TEST_CASE("what a handler throws on purpose is told below what it could not foresee") {
    ear warnings, all;
    auto app = [](http::request) -> awaitable<http::response> {
        throw failure(failure_kind::invalid_input, "no such shop");
        co_return http::response();
    };
    answer_to(get, app, {.half_close = true, .observe = warnings.listener(severity::info)});
    CHECK(warnings.heard.empty());
    answer_to(get, app, {.half_close = true, .observe = all.listener(severity::debug)});
    CHECK(has(all.heard, "level=debug msg=\"the application failed\""));
    auto down = [](http::request) -> awaitable<http::response> {
        throw failure(failure_kind::unavailable, "the store is closed");
        co_return http::response();
    };
    answer_to(get, down, {.half_close = true, .observe = warnings.listener(severity::info)});
    CHECK(has(warnings.heard, "level=warn msg=\"the application failed\""));
}

TEST_CASE("a server tells its observer of a request that it refused") {
    ear e;
    answer_to("GET / HTTP/1.1\r\nHost : a\r\n\r\n", hello,
              {.half_close = true, .observe = e.listener(severity::debug)});
    CHECK(has(e.heard, "level=debug msg=\"a request was refused\""));
    CHECK(has(e.heard, "http.response.status_code=400"));
    CHECK(has(e.heard, "header line 2"));
}

TEST_CASE("the observer of a server is heard by its application too") {
    ear e;
    auto app = [](http::request r) -> awaitable<http::response> {
        log(r.extensions(), severity::info, "in the shop");
        co_return http::text("ok");
    };
    answer_to(get, app, {.half_close = true, .observe = e.listener(severity::info)});
    CHECK(has(e.heard, "in the shop"));
}

TEST_CASE("on_failure learns what no application foresaw, and nothing else") {
    std::vector<std::string> told;
    http::server_options options{.half_close = true};
    options.on_failure = [&](const failure& f) { told.emplace_back(f.what()); };
    answer_to(get, hello, options);
    answer_to("garbage\r\n\r\n", hello, options);
    for (auto kind : {failure_kind::invalid_input, failure_kind::unavailable}) {
        auto app = [kind](http::request) -> awaitable<http::response> {
            throw failure(kind, "foreseen");
            co_return http::response();
        };
        answer_to(get, app, options);
    }
    CHECK(told.empty());
    answer_to(get, breaks, options);
    REQUIRE(told.size() == 1);
    CHECK(has(told[0], "no more shoes"));
    CHECK(has(told[0], "GET /cart"));
    CHECK(!has(told[0], "4111"));
}

TEST_CASE("on_failure learns of a body that its application could not make to the end") {
    std::vector<std::string> told;
    http::server_options options{.half_close = true};
    options.on_failure = [&](const failure& f) { told.emplace_back(f.what()); };
    auto app = [](http::request) -> awaitable<http::response> {
        auto make = [n = 0]() mutable -> awaitable<std::optional<bytes>> {
            if (n++ == 1) throw std::runtime_error("no more laces");
            co_return bytes::literal("shoe");
        };
        co_return http::response(200, http::body::pull(make));
    };
    const std::string answer = answer_to(get, app, options);
    CHECK(!answer.ends_with("0\r\n\r\n"));
    REQUIRE(told.size() == 1);
    CHECK(has(told[0], "no more laces"));
    // What the peer broke off is the peer's affair.
    told.clear();
    answer_to("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", echo, options);
    CHECK(told.empty());
}
