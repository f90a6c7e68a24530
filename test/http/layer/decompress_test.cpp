// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../codings.hpp"
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/layer/decompress.hpp>
#include <weft/http/server.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace weft;
using namespace std::literals;

namespace {

/// Content in pieces of n bytes.
http::body pieces(std::string text, std::size_t n) {
    return http::body::pull(
        [text = std::move(text), n,
         at = std::size_t{0}]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (at == text.size()) co_return std::nullopt;
            const std::string part = text.substr(at, n);
            at += part.size();
            co_return weft::bytes(part);
        });
}

/// A server with one answer.
auto answering(std::string coding, std::string content, std::size_t piece = 1000,
               int status = 200) {
    return [=](http::request r) -> awaitable<http::response> {
        CHECK(r.header("Accept-Encoding"));
        http::response a(status, pieces(content, piece));
        if (!coding.empty()) a.headers().add("Content-Encoding", coding);
        a.headers().add("Content-Length", std::to_string(content.size()));
        co_return a;
    };
}

std::string text_of_size(std::size_t n) {
    std::string text;
    for (std::size_t i = 0; text.size() < n; ++i)
        (text += std::to_string(i * 7919 % 1000)) += i % 5 ? ' ' : '\n';
    text.resize(n);
    return text;
}

/// What comes out of the layer: the content, or the failure's kind and message.
template <class Server>
std::string through(Server server, http::decompress_options options = {}) {
    return testing::run([&]() -> awaitable<std::string> {
        auto app = http::decompress(options) >> server;
        http::response r = co_await app.serve(http::request());
        auto text = co_await attempt(r.body().text(std::size_t{1} << 30));
        if (text) co_return *text;
        auto again = co_await attempt(r.body().next());
        CHECK(!again);  // it stays so
        CHECK(text.error().delivered() == delivery::processed);
        co_return std::string(to_string(text.error().kind())) + ": " +
            std::string(text.error().message());
    });
}

struct coding {
    const char* name;
    std::string (*encode)(std::string_view);
};
constexpr coding all[] = {{"gzip", codings::gzip},
                          {"X-GZIP", codings::gzip},
                          {"deflate", codings::deflated},
                          {"deflate", codings::bare_deflated},
                          {"br", codings::br},
                          {"zstd", codings::zstd}};

}  // namespace

TEST_CASE("every coding is decoded, however its bytes are cut") {
    for (const coding& c : all) {
        CAPTURE(c.name);
        for (const std::size_t size : {0u, 1u, 5u, 70'000u, 300'000u}) {
            const std::string text = text_of_size(size);
            for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
                if (piece == 1 && size > 70'000) continue;
                CHECK(through(answering(c.name, c.encode(text), piece)) == text);
            }
        }
    }
}

TEST_CASE("several codings are taken off, the last one first") {
    const std::string text = text_of_size(100'000);
    CHECK(through(answering("deflate, identity, gzip", codings::gzip(codings::deflated(text)),
                            3)) == text);
    CHECK(through(answering("br, zstd, gzip", codings::gzip(codings::zstd(codings::br(text))),
                            11)) == text);
}

TEST_CASE("gzip members and zstd frames may follow each other") {
    CHECK(through(answering("gzip", codings::gzip("one ") + codings::gzip("two"), 5)) == "one two");
    CHECK(through(answering("zstd", codings::zstd("one ") + codings::zstd("two"), 5)) == "one two");
}

TEST_CASE("a content that ends too early is a failure at every cut") {
    const std::string text = text_of_size(300);
    for (const coding& c : all) {
        CAPTURE(c.name);
        const std::string whole = c.encode(text);
        for (std::size_t n = 1; n < whole.size(); ++n) {
            CAPTURE(n);
            CHECK(through(answering(c.name, whole.substr(0, n))) ==
                  "protocol: the content ends before its coding does");
        }
    }
}

TEST_CASE("a corrupt content, and one that goes on, are failures") {
    for (const coding& c : all) {
        CAPTURE(c.name);
        CHECK(through(answering(c.name, "this is no compressed content at all, is it?"))
                  .starts_with("protocol: the content"));
        CHECK(through(answering(c.name, c.encode("hello") + "rubbish"))
                  .starts_with("protocol: the content cannot be decoded"));
    }
}

TEST_CASE("a bomb is refused, by its ratio and by its size") {
    const std::string zeros(64'000'000, '\0');
    for (const coding& c : all) {
        CAPTURE(c.name);
        const std::string bomb = c.encode(zeros);
        CHECK(through(answering(c.name, bomb)) ==
              "rejected: the decoded content is too large for what it was coded in");
        CHECK(
            through(answering(c.name, bomb), {.max_size = 1'000'000, .max_ratio = 1'000'000'000}) ==
            "rejected: the decoded content is too large");
    }
    const std::string nested = codings::gzip(codings::gzip(zeros));
    CHECK(through(answering("gzip, gzip", nested)).starts_with("rejected"));
    // What compresses as text does is none.
    const std::string text = text_of_size(8'000'000);
    CHECK(through(answering("gzip", codings::gzip(text))) == text);
}

TEST_CASE("too many codings are refused") {
    testing::run([]() -> awaitable<void> {
        auto app = http::decompress() >> answering("gzip, gzip, gzip, gzip, gzip", "x");
        auto r = co_await attempt(app.serve(http::request()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::rejected);
    });
}

TEST_CASE("the fields say what the body is, and the extensions what it was") {
    testing::run([]() -> awaitable<void> {
        auto app = http::decompress() >> answering("gzip", codings::gzip("hello"));
        http::response r = co_await app.serve(http::request());
        CHECK(!r.header("Content-Encoding"));
        CHECK(!r.header("Content-Length"));
        CHECK(!r.body().size());
        REQUIRE(r.extensions().get<http::decoded_content>());
        CHECK(r.extensions().get<http::decoded_content>()->codings == "gzip");
        CHECK(co_await r.body().text() == "hello");
        CHECK(r.body().size() == 0u);
        http::response head =
            co_await app.serve(http::request(http::method::head, "http://a.test/"));
        CHECK(!head.header("Content-Encoding"));
        CHECK(!head.header("Content-Length"));
    });
}

TEST_CASE("what is not to be decoded stays as it is") {
    testing::run([]() -> awaitable<void> {
        const std::string content = codings::gzip("hello");
        struct row {
            const char* coding;
            int status;
        };
        for (const row& w : {row{"gzip", 206}, row{"gzip", 304}, row{"gzip", 204},
                             row{"compress", 200}, row{"br, what, gzip", 200}, row{"", 200}}) {
            CAPTURE(w.coding);
            CAPTURE(w.status);
            auto app = http::decompress() >> answering(w.coding, content, 1000, w.status);
            http::response r = co_await app.serve(http::request());
            CHECK(r.header("Content-Encoding").value_or("") == w.coding);
            CHECK(r.header("Content-Length") == std::to_string(content.size()));
            CHECK(co_await r.body().text() == content);
        }
        // Who asks for something itself gets it.
        auto app = http::decompress() >> [&](http::request q) -> awaitable<http::response> {
            http::response a(200, http::body(content));
            a.headers().add("Content-Encoding", "gzip");
            a.headers().add("Asked", q.header("Accept-Encoding").value_or("nothing"));
            co_return a;
        };
        http::request own(http::method::get, "http://a.test/");
        own.headers().add("Accept-Encoding", "gzip");
        http::response r = co_await app.serve(std::move(own));
        CHECK(r.header("Content-Encoding") == "gzip");
        http::request part(http::method::get, "http://a.test/");
        part.headers().add("Range", "bytes=0-3");
        r = co_await app.serve(std::move(part));
        CHECK(r.header("Asked") == "nothing");
        CHECK(co_await r.body().text() == content);
    });
}

TEST_CASE("trailers come behind a decoded content, and a failure below passes through") {
    testing::run([]() -> awaitable<void> {
        auto app = http::decompress() >> [](http::request) -> awaitable<http::response> {
            http::body b = pieces(codings::gzip("hello"), 4);
            http::response a(200, std::move(b).with_trailers({{"Sum", "7"}}));
            a.headers().add("Content-Encoding", "gzip");
            co_return a;
        };
        http::response r = co_await app.serve(http::request());
        CHECK(co_await r.body().text() == "hello");
        REQUIRE(r.body().trailers());
        CHECK(r.body().trailers()->get("Sum") == "7");

        auto broken = http::decompress() >> [](http::request) -> awaitable<http::response> {
            auto b = http::body::pull([]() -> awaitable<std::optional<weft::bytes>> {
                throw failure(failure_kind::unavailable, "reset");
                co_return std::nullopt;
            });
            http::response a(200, std::move(b));
            a.headers().add("Content-Encoding", "gzip");
            co_return a;
        };
        r = co_await broken.serve(http::request());
        auto text = co_await attempt(r.body().text());
        REQUIRE(!text);
        CHECK(text.error().kind() == failure_kind::unavailable);
    });
}

TEST_CASE("over a connection: the client's response is decoded while it comes") {
    testing::run([]() -> awaitable<void> {
        const std::string text = text_of_size(500'000);
        auto server = [&](http::request r) -> awaitable<http::response> {
            CHECK(r.header("Accept-Encoding") == "gzip, deflate, br, zstd");
            http::response a(200, pieces(codings::zstd(text), 1000));
            a.headers().add("Content-Encoding", "zstd");
            co_return a;
        };
        auto api =
            http::decompress() >> http::client{testing::mock_connector(http::server(server))};
        http::response r =
            co_await api.serve(http::request(http::method::get, "http://shop.test/"));
        CHECK(co_await r.body().text() == text);
    });
}
