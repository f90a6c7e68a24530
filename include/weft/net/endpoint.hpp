// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::net {

/// An IP address with a port: Asio's.
using endpoint = boost::asio::ip::tcp::endpoint;

/// Reads "192.0.2.1:80", "[2001:db8::1]:443", ":8080" (all addresses, IPv6 and IPv4), "*:8080" (the
/// same) or "localhost:0" (127.0.0.1). Looks no name up. Throws failure, kind invalid_input, that
/// quotes the text.
endpoint parse_endpoint(std::string_view text);

/// "192.0.2.1:80" or "[2001:db8::1]:443".
std::string to_string(const endpoint& e);

/// Who is at the other end of a connection; in the extensions of the stream.
///
///     auto* peer = stream.extensions().get<net::peer_endpoint>();
///     if (peer) log(net::to_string(peer->value));
struct peer_endpoint {
    endpoint value;
    friend bool operator==(const peer_endpoint&, const peer_endpoint&) = default;
};

/// Our end of a connection; in the extensions of the stream.
struct local_endpoint {
    endpoint value;
    friend bool operator==(const local_endpoint&, const local_endpoint&) = default;
};

}  // namespace weft::net

template <>
struct fmt::formatter<weft::net::peer_endpoint> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::peer_endpoint& e,
                                         fmt::format_context& out) const;
};

template <>
struct fmt::formatter<weft::net::local_endpoint> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::local_endpoint& e,
                                         fmt::format_context& out) const;
};
