// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../sanitizers.hpp"
#include <weft/core/attempt.hpp>
#include <weft/io/duplex.hpp>
#include <weft/io/stream.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/run.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>
#include <weft/tls/info.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <utility>

namespace tls_test {

using namespace weft;
namespace asio = boost::asio;

/// Whether malloc is the system's own: a sanitizer's counts nothing, and refuses by ending all.
inline constexpr bool counted = !TEST_UNDER_ASAN && !TEST_UNDER_TSAN;

/// One authority for all tests: making keys is the slow part.
inline const tls::development_ca& ca() {
    static const tls::development_ca authority;
    return authority;
}
inline const tls::identity& shop() {
    static const tls::identity id =
        ca().server({"shop.test", "*.api.shop.test", "127.0.0.1", "::1"});
    return id;
}

inline tls::client_options client_options() {
    tls::client_options o;
    o.roots = {ca().root()};
    return o;
}
inline tls::server_options server_options() {
    tls::server_options o;
    o.identities = {shop()};
    return o;
}

inline const tls::target shop_target{"shop.test", 443};

/// The two sides of one connection, and how each one's handshake ended.
struct ends {
    result<io::stream> client;
    result<io::stream> server;
};

/// The two handshakes over an io::duplex. A side that fails is closed, so that the other one ends
/// too.
inline awaitable<ends> shake(tls::client_config client, tls::server_config server,
                             tls::target to = shop_target, tls::connection_settings settings = {}) {
    auto executor = co_await asio::this_coro::executor;
    auto [near, far] = io::duplex(executor);
    auto both = co_await when_all(
        attempt(tls::handshake(std::move(near), client, std::move(to), std::move(settings))),
        attempt(tls::accept(std::move(far), server)));
    co_return ends{std::move(std::get<0>(both)), std::move(std::get<1>(both))};
}

inline const tls::info& info_of(const io::stream& s) {
    const auto* found = s.extensions().get<tls::info>();
    REQUIRE(found);
    return *found;
}

inline awaitable<std::string> read_text(io::stream& s, std::size_t size) {
    std::string text(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        const std::size_t n = co_await s.read(asio::buffer(text.data() + got, size - got));
        if (n == 0) break;
        got += n;
    }
    text.resize(got);
    co_return text;
}

/// What a read fails with; empty when it does not.
inline awaitable<std::optional<failure>> read_failure(io::stream& s) {
    std::array<char, 64> memory;
    auto read = co_await attempt(s.read(asio::buffer(memory)));
    if (read) co_return std::nullopt;
    co_return read.error();
}

/// A few bytes there and a few back: the sessions work, and what was said after the handshake is
/// heard.
inline awaitable<void> exchange_words(io::stream& client, io::stream& server) {
    co_await client.write(bytes::literal("ping"));
    CHECK(co_await read_text(server, 4) == "ping");
    co_await server.write(bytes::literal("pong"));
    CHECK(co_await read_text(client, 4) == "pong");
}

}  // namespace tls_test
