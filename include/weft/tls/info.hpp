// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/tls/certificate.hpp>
#include <weft/tls/version.hpp>

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <vector>

namespace weft::tls {

/// What a handshake came to. It is in the extensions of each TLS stream, and so of the connection:
///
///     if (auto* tls = req.extensions().ingress().get<tls::info>())
///         log(tls->alpn, tls->server_name, tls->resumed);
///
/// Fixed for the life of the connection. A connection over two layers of TLS has two; `get` gives
/// the inner session's, which was inserted last.
struct info {
    tls::version version = tls::version::tls_1_3;
    std::string cipher;       ///< as IANA names it: "TLS_AES_128_GCM_SHA256"
    std::string alpn;         ///< "h2"; empty when nothing was agreed
    std::string server_name;  ///< the name that the client asked for (SNI); empty when it did not
    bool resumed = false;     ///< an earlier session went on: no certificate was sent
    /// The system encrypts what is sent (kTLS: kernel_tls in the options).
    bool kernel_send = false;
    /// The peer has shown a certificate, and it was verified against roots (of a resumed session:
    /// when that began).
    bool peer_verified = false;
    /// What the peer has shown, its own certificate first; empty when it has shown none. A server
    /// that resumes a session has the client's own alone: tickets hold no chain.
    std::vector<certificate> peer_chain;
};

/// "TLS 1.3, TLS_AES_128_GCM_SHA256, h2, resumed, kTLS".
std::string to_string(const info& i);

}  // namespace weft::tls

template <>
struct fmt::formatter<weft::tls::info> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::tls::info& i, fmt::format_context& out) const;
};
