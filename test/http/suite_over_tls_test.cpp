// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// The laws of every HTTP connection, by HTTP/1 and HTTP/2 over TLS.
#include <weft/http/testing/connection_suite.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/race.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace weft;
namespace asio = boost::asio;

namespace {

/// Pairs of streams with TLS between them.
testing::stream_pair_factory over_tls(const std::string& alpn, std::size_t capacity) {
    const tls::development_ca ca;
    tls::server_options s;
    s.identities.push_back(ca.server({"host.test"}));
    s.alpn = {alpn};
    tls::client_options c;
    c.roots = {ca.root()};
    c.alpn = {alpn};
    return [server = tls::server_config(s), client = tls::client_config(c),
            capacity](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        auto [near, far] = io::duplex(ex, capacity);
        tls::target to{"host.test", 443};
        auto both = co_await when_all(tls::handshake(std::move(near), client, std::move(to)),
                                      tls::accept(std::move(far), server));
        co_return testing::stream_pair(std::move(std::get<0>(both)), std::move(std::get<1>(both)));
    };
}

void check_all(const testing::connection_suite& suite) {
    for (const testing::connection_law& law : testing::connection_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

constexpr std::size_t roomy = 64 * 1024;

}  // namespace

TEST_CASE("HTTP/1 over TLS keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("http/1.1", roomy))));
}

TEST_CASE("HTTP/1 over TLS keeps them where 1,000 bytes are under way at most") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("http/1.1", 1000))));
}

TEST_CASE("HTTP/2 over TLS keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("h2", roomy)),
                                        {.multiplexed = true, .upgrades = false}));
}

TEST_CASE("HTTP/2 over TLS keeps them where 1,000 bytes are under way at most") {
    check_all(testing::connection_suite(testing::connections_over(over_tls("h2", 1000)),
                                        {.multiplexed = true, .upgrades = false}));
}
