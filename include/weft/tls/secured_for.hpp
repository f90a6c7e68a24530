// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/tls/client_config.hpp>

#include <cstdint>
#include <string>

namespace weft::tls {

/// Whom a client's handshake was with, and how: in the extensions of the stream that tls::handshake
/// gives, beside tls::info. Over two layers of TLS (a tunnel through a proxy that speaks it) there
/// are two; `get` gives the inner one, which was made last.
///
///     auto* by = stream.extensions().get<tls::secured_for>();
///     bool to_the_shop = by && by->host == "shop.test" && by->port == 443;
///
/// A client of https looks for it: without one for its own server, it makes TLS itself. So a
/// connector that uses another TLS than weft's inserts one. Fixed for the life of the connection.
struct secured_for {
    std::string host;  ///< what the certificate was verified for: a name without a dot at its end,
                       ///< or an address
    std::uint16_t port = 443;
    client_config config;
};

}  // namespace weft::tls
