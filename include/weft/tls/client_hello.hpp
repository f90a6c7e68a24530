// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/io/stream.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tls {

/// What a client says first (RFC 8446, 4.1.2): enough to choose a certificate or a server by.
/// Nothing in it is verified yet.
struct client_hello {
    std::string server_name;                   ///< SNI in lower case; empty when it sent none
    std::vector<std::string> alpn;             ///< in the client's order, the first 64
    std::vector<std::uint16_t> versions;       ///< in its order, as numbers on the wire
    std::vector<std::uint16_t> cipher_suites;  ///< in its order

    friend bool operator==(const client_hello&, const client_hello&) = default;
};

/// What some first bytes of a connection are.
struct client_hello_parse {
    enum class outcome : unsigned char {
        whole,    ///< `hello` is set
        partial,  ///< so far it is one: more bytes are needed
        other     ///< no ClientHello of TLS, whatever comes next
    };
    outcome what = outcome::partial;
    client_hello hello = {};
};

/// The most bytes that a ClientHello may have before it is `other`.
inline constexpr std::size_t max_client_hello = 64 * 1024;

/// Reads the beginning of a connection, perhaps cut anywhere, and consumes nothing.
///
///     auto first = tls::parse_client_hello(seen);
///     if (first.what == tls::client_hello_parse::outcome::whole) route(first.hello.server_name);
///
/// Sans-IO; one pass, which begins anew with each call. Of a name that is sent twice, an extension
/// of the wrong length and the like it says `other`: nobody may be routed by what the TLS library
/// would refuse.
[[nodiscard]] client_hello_parse parse_client_hello(std::string_view bytes);

/// A connection whose first bytes were looked at.
struct peeked_stream {
    /// Empty when it does not begin with a ClientHello.
    std::optional<client_hello> hello;
    /// The whole connection: what was looked at is read again.
    io::stream stream;
};

/// Looks at a ClientHello: for a proxy that routes by name and lets TLS pass, or for a port
/// that speaks both.
///
///     auto [hello, whole] = co_await tls::peek_client_hello(std::move(stream));
///     if (hello) co_await forward(std::move(whole), backend_of(*hello));
///
/// Waits until the bytes say what they are, for at most `limit`: then it throws failure, kind
/// timeout. A connection that ends before is one without ClientHello. Throws failure when reading
/// fails. Cancelled, the connection is closed.
[[nodiscard]] awaitable<peeked_stream> peek_client_hello(
    io::stream stream, std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace weft::tls
