// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// An https server in memory, and who trusts it.

#include "peers.hpp"
#include <weft/http/client.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/development_ca.hpp>

namespace peers {

struct site {
    tls::development_ca ca;

    /// TLS in front of a server. A handshake that a client broke off is nothing that ends it.
    [[nodiscard]] auto secure(std::vector<std::string> alpn, http::server server) const {
        tls::server_options o;
        o.identities.push_back(ca.server({"shop.test", "a", "b"}));
        o.alpn = std::move(alpn);
        return [stack = tls::acceptor(tls::server_config(o)) >>
                        std::move(server)](io::stream s) -> awaitable<void> {
            const auto ended = co_await attempt(stack.serve(std::move(s)));
            if (!ended) CHECK(ended.error().kind() != failure_kind::internal);
        };
    }
    [[nodiscard]] testing::mock_connector serves(std::vector<std::string> alpn, http::any_app app,
                                                 http::server_options options = {}) const {
        http::server server(std::move(app), options);
        return testing::mock_connector(secure(std::move(alpn), std::move(server)));
    }
    [[nodiscard]] http::client_options options() const {
        http::client_options o;
        o.tls = tls::client_config({.roots = {ca.root()}});
        return o;
    }
};

}  // namespace peers
