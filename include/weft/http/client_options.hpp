// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h2_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::http {

/// What a client speaks.
enum class protocol : std::uint8_t {
    automatic,  ///< what ALPN agreed on over TLS, else HTTP/1.1
    http_1_1,
    http_2  ///< also on clear text, without asking (prior knowledge, RFC 9113 3.3)
};

/// The limits of a client.
struct client_options {
    /// From the start of connecting to an open connection.
    std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
    /// From the last byte of the request to the end of the response's head.
    std::chrono::milliseconds response_timeout = std::chrono::seconds(30);
    /// How long a pull of the response's body waits for its next bytes.
    std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
    /// How long the peer may take no byte of what is being sent.
    std::chrono::milliseconds write_timeout = std::chrono::seconds(30);
    /// How long a request with `Expect: 100-continue` waits
    /// for the answer before it sends its body anyway.
    std::chrono::milliseconds continue_timeout = std::chrono::seconds(1);
    /// How long a connection is kept without a request.
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);
    /// How many idle connections are kept to one host.
    std::size_t max_idle_per_host = 8;
    /// A status line or a header block larger than this fails.
    std::size_t max_header_block = 64 * 1024;
    /// More fields than this fail.
    std::size_t max_fields = 200;
    /// Sent as User-Agent, unless the request has one; empty for none.
    std::string user_agent = "weft/0.1";
    /// What is spoken on a connection.
    http::protocol protocol = protocol::automatic;
    /// Of HTTP/2.
    h2_options h2 = {};
};

}  // namespace weft::http
