// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "ends.hpp"
#include <weft/runtime/sleep.hpp>
#include <weft/tls/client_hello.hpp>

#include <algorithm>

#include <time.h>

using namespace tls_test;
using namespace std::literals;
using outcome = tls::client_hello_parse::outcome;

namespace {

std::string number(std::size_t n, int size) {
    std::string text;
    while (size-- > 0) text += static_cast<char>(n >> 8 * size);
    return text;
}
std::string vector(const std::string& content, int size) {
    return number(content.size(), size) + content;
}
std::string extension(std::size_t kind, const std::string& content) {
    return number(kind, 2) + vector(content, 2);
}
std::string server_name(const std::string& name) {
    return extension(0, vector('\0' + vector(name, 2), 2));
}
std::string alpn(const std::vector<std::string>& names) {
    std::string list;
    for (const std::string& n : names) list += vector(n, 1);
    return extension(16, vector(list, 2));
}
std::string body(const std::string& extensions, const std::string& suites = "\x13\x01") {
    return number(0x0303, 2) + std::string(32, 'r') + vector("", 1) + vector(suites, 2) +
           vector(std::string(1, '\0'), 1) + vector(extensions, 2);
}
std::string message(const std::string& content) { return '\x01' + vector(content, 3); }
std::string record(const std::string& content) {
    return std::string("\x16\x03\x01", 3) + vector(content, 2);
}
std::string hello(const std::string& extensions) { return record(message(body(extensions))); }

/// What a client of weft's sends first.
awaitable<std::string> real_hello(tls::client_options options) {
    auto executor = co_await asio::this_coro::executor;
    auto [near, far] = io::duplex(executor);
    std::array<char, 4096> memory;
    std::size_t n = 0;
    auto listen = [](io::stream& s, std::array<char, 4096>& m,
                     std::size_t& got) -> awaitable<void> {
        got = co_await s.read(asio::buffer(m));
    };
    static_cast<void>(co_await when_any(
        attempt(tls::handshake(std::move(near), tls::client_config(options), shop_target)),
        listen(far, memory, n)));
    co_return std::string(memory.data(), n);
}

outcome what(std::string_view bytes) { return tls::parse_client_hello(bytes).what; }

}  // namespace

TEST_CASE("a ClientHello says its name, protocols and versions") {
    const std::string versions = extension(43, vector("\x03\x04\x03\x03", 1));
    const auto p = tls::parse_client_hello(
        hello(server_name("Shop.TEST") + alpn({"h2", "http/1.1"}) + versions));
    REQUIRE(p.what == outcome::whole);
    CHECK(p.hello.server_name == "shop.test");
    CHECK(p.hello.alpn == std::vector<std::string>{"h2", "http/1.1"});
    CHECK(p.hello.versions == std::vector<std::uint16_t>{0x0304, 0x0303});
    CHECK(p.hello.cipher_suites == std::vector<std::uint16_t>{0x1301});
}

TEST_CASE("a client of weft's is read, whole, and at every cut") {
    const std::string bytes = testing::run([]() -> awaitable<std::string> {
        tls::client_options o = client_options();
        o.alpn = {"h2"};
        std::string first = co_await real_hello(o);
        co_return first;
    });
    REQUIRE(bytes.size() > 100);
    for (std::size_t n = 0; n < bytes.size(); ++n)
        CHECK(what(std::string_view(bytes).substr(0, n)) == outcome::partial);
    const auto p = tls::parse_client_hello(bytes);
    REQUIRE(p.what == outcome::whole);
    CHECK(p.hello.server_name == "shop.test");
    CHECK(p.hello.alpn == std::vector<std::string>{"h2"});
    // What comes behind it is another matter.
    CHECK(what(bytes + "more") == outcome::whole);
}

TEST_CASE("a ClientHello may be cut into records of any size") {
    const std::string whole = message(body(server_name("shop.test")));
    for (std::size_t size : {1u, 2u, 3u, 4u, 5u, 40u}) {
        std::string bytes;
        for (std::size_t i = 0; i < whole.size(); i += size) bytes += record(whole.substr(i, size));
        const auto p = tls::parse_client_hello(bytes);
        REQUIRE(p.what == outcome::whole);
        CHECK(p.hello.server_name == "shop.test");
    }
}

TEST_CASE("a client of TLS 1.2 without extensions is whole") {
    const std::string bytes = number(0x0303, 2) + std::string(32, 'r') + vector("", 1) +
                              vector("\xc0\x2f", 2) + vector(std::string(1, '\0'), 1);
    const auto p = tls::parse_client_hello(record(message(bytes)));
    REQUIRE(p.what == outcome::whole);
    CHECK(p.hello.server_name.empty());
    CHECK(p.hello.versions == std::vector<std::uint16_t>{0x0303});
}

TEST_CASE("what is no ClientHello is another thing, as soon as that is clear") {
    CHECK(what("") == outcome::partial);
    CHECK(what("G") == outcome::other);
    CHECK(what("GET / HTTP/1.1\r\n") == outcome::other);
    CHECK(what("PRI * HTTP/2.0") == outcome::other);
    CHECK(what("\x80\x2e\x01"sv) == outcome::other);                          // SSL 2
    CHECK(what("\x16\x02"sv) == outcome::other);                              // no such version
    CHECK(what("\x15\x03\x01\x00\x02"sv) == outcome::other);                  // an alert
    CHECK(what("\x16\x03\x01\x00\x00"sv) == outcome::other);                  // an empty record
    CHECK(what("\x16\x03\x01\x40\x01"sv) == outcome::other);                  // too large a record
    CHECK(what("\x16\x03\x01\x00\x04\x02\x00\x00\x00"sv) == outcome::other);  // a ServerHello
    CHECK(what("\x16\x03\x01\x00\x04\x01\xff\xff\xff"sv) == outcome::other);  // 16 MiB
}

TEST_CASE("more behind a ClientHello in its record is refused, however it comes") {
    const std::string all = record(message(body(server_name("shop.test"))) + "more");
    bool clear = false;
    for (std::size_t n = 0; n <= all.size(); ++n) {
        const auto part = tls::parse_client_hello(std::string_view(all).substr(0, n));
        CHECK(part.what == (clear || n >= 9 ? outcome::other : outcome::partial));
        clear = part.what == outcome::other;
    }
    CHECK(clear);
}

TEST_CASE("nobody is routed by what the TLS library would refuse") {
    const std::string name = server_name("shop.test");
    CHECK(what(hello(name + name)) == outcome::other);      // twice
    CHECK(what(hello(alpn({}))) == outcome::other);         // of nothing
    CHECK(what(hello(alpn({""}))) == outcome::other);       // an empty name
    CHECK(what(hello(server_name(""))) == outcome::other);  // an empty name
    CHECK(what(hello(server_name("a"s + '\0' + "b"))) == outcome::other);
    CHECK(what(hello(server_name(std::string(256, 'a')))) == outcome::other);
    CHECK(what(hello(extension(0, vector('\1' + vector("x", 2), 2)))) == outcome::other);
    CHECK(what(hello(name + "\x01")) == outcome::other);                     // half an extension
    CHECK(what(hello(extension(43, vector("\x03", 1)))) == outcome::other);  // half a version
    CHECK(what(record(message(body(name, "\x13")))) == outcome::other);      // half a cipher
    CHECK(what(record(message(body(name) + "more"))) == outcome::other);
    CHECK(what(record(message(body(name)) + "more")) == outcome::other);
}

TEST_CASE("peeking leaves the connection as it was") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        auto serve = [](io::stream s) -> awaitable<void> {
            auto [found, whole] = co_await tls::peek_client_hello(std::move(s));
            REQUIRE(found);
            CHECK(found->server_name == "shop.test");
            io::stream secure =
                co_await tls::accept(std::move(whole), tls::server_config(server_options()));
            CHECK(co_await read_text(secure, 4) == "ping");
        };
        auto call = [](io::stream s) -> awaitable<void> {
            io::stream secure = co_await tls::handshake(
                std::move(s), tls::client_config(client_options()), shop_target);
            co_await secure.write(bytes::literal("ping"));
            CHECK(co_await read_text(secure, 1) == "");
        };
        co_await when_all(serve(std::move(far)), call(std::move(near)));
    });
}

TEST_CASE("peeking at something else says so, and loses nothing of it") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        co_await near.write(bytes::literal("GET / HTTP/1.1\r\n\r\n"));
        auto [found, whole] = co_await tls::peek_client_hello(std::move(far));
        CHECK(!found);
        CHECK(co_await read_text(whole, 18) == "GET / HTTP/1.1\r\n\r\n");
        // And at a peer that says nothing, for as long as it was told.
        auto [c, d] = io::duplex(executor);
        const auto r = co_await attempt(tls::peek_client_hello(std::move(d), 3s));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
    });
}

namespace {

/// A ClientHello of that many extensions that hold nothing, each of a kind of its own.
std::string empty_extensions(std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += extension(0x1000 + i, "");
    const std::string whole = message(body(list));
    std::string records;
    for (std::size_t at = 0; at < whole.size(); at += 16000)
        records += record(whole.substr(at, 16000));
    return records;
}

/// CPU seconds that parsing takes, at best.
double cost(const std::string& bytes) {
    const auto now = [] {
        timespec t{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
    };
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
        const double begun = now();
        CHECK(what(bytes) == outcome::whole);
        best = std::min(best, now() - begun);
    }
    return best;
}

}  // namespace

TEST_CASE("a ClientHello of thousands of extensions costs what its bytes cost") {
    // Eight times the bytes; where each is compared with all before it, 64 times the work.
    CHECK(cost(empty_extensions(16000)) < 30 * cost(empty_extensions(2000)));
}

TEST_CASE("of a long list of protocols the first 64 are told, and the rest must be well-formed") {
    std::vector<std::string> many;
    for (int i = 0; i < 1000; ++i) many.push_back("p" + std::to_string(i));
    const auto parsed = tls::parse_client_hello(hello(alpn(many)));
    REQUIRE(parsed.what == outcome::whole);
    REQUIRE(parsed.hello.alpn.size() == 64);
    CHECK(parsed.hello.alpn[63] == "p63");
    many[900] = "";
    CHECK(what(hello(alpn(many))) == outcome::other);
}
