// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/io/duplex.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/stream_suite.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace tls_pairs {

using namespace weft;
namespace asio = boost::asio;

/// Pairs of streams with TLS between them.
inline testing::stream_pair_factory over_tls(const std::string& alpn, std::size_t capacity) {
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

}  // namespace tls_pairs
