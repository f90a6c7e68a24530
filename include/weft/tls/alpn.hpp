// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <string_view>

/// Names of application protocols (ALPN, RFC 7301), as they stand on the wire. weft takes them as
/// plain strings, so any other name will do as well.
///
///     tls::server_options options;
///     options.alpn = {std::string(tls::alpn::h2), std::string(tls::alpn::http_1_1)};
namespace weft::tls::alpn {

inline constexpr std::string_view h2 = "h2";              ///< HTTP/2 over TLS, RFC 9113
inline constexpr std::string_view http_1_1 = "http/1.1";  ///< RFC 7301
inline constexpr std::string_view acme = "acme-tls/1";    ///< a certificate's challenge, RFC 8737

}  // namespace weft::tls::alpn
