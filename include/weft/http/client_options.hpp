// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/observe.hpp>
#include <weft/http/cookie_jar.hpp>
#include <weft/http/h2_options.hpp>
#include <weft/http/layer/decompress.hpp>
#include <weft/http/layer/redirect.hpp>
#include <weft/layer/retry.hpp>
#include <weft/tls/client_config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace weft::http {

/// What a client speaks.
enum class protocol : std::uint8_t {
    automatic,  ///< what ALPN agreed on over TLS, else HTTP/1.1
    http_1_1,
    http_2  ///< also on clear text, without asking (prior knowledge, RFC 9113 3.3)
};

/// The limits of a client, of its pool and of its connections, in one value.
///
///     http::client_options options;
///     options.max_connections_per_host = 8;
///     options.connect_timeout = 2s;
///     http::client client(options);
struct client_options {
    // Times

    /// From the start of connecting to an open byte stream: names resolved, addresses tried.
    std::chrono::milliseconds connect_timeout = std::chrono::seconds(10);
    /// From there until the connection speaks HTTP: TLS, and the first words of HTTP/2.
    std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
    /// How long a request waits for a connection, the opening of one included.
    std::chrono::milliseconds queue_timeout = std::chrono::seconds(30);
    /// From the last byte of the request to the end of the response's head.
    std::chrono::milliseconds response_timeout = std::chrono::seconds(30);
    /// How long a pull of the response's body waits for its next bytes.
    std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
    /// How long the peer may take no byte of what is being sent.
    std::chrono::milliseconds write_timeout = std::chrono::seconds(30);
    /// How long a request with `Expect: 100-continue` waits
    /// for the answer before it sends its body anyway.
    std::chrono::milliseconds continue_timeout = std::chrono::seconds(1);
    /// How long close() lets exchanges go on before it cuts them off.
    std::chrono::milliseconds close_timeout = std::chrono::seconds(5);

    // The pool. Each limit is one of an execution context: every core of a weft::runtime has its
    // own connections and its own queue.

    /// Connections to one host that carry one exchange at a time (HTTP/1).
    std::size_t max_connections_per_host = 100;
    /// Connections to one host that carry many exchanges at once (HTTP/2); those that only end what
    /// they began do not count.
    std::size_t max_shared_per_host = 1;
    /// Connections to all hosts. An idle one is closed to make room for a host that has none.
    std::size_t max_connections = 1000;
    /// How many idle connections are kept to one host.
    std::size_t max_idle_per_host = 8;
    /// How many requests may wait for a connection; one more fails at once, as `exhausted`.
    std::size_t max_waiting = 10'000;
    /// How long a connection is kept without a request.
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);
    /// The age at which a connection begins no further exchange, so that a change of addresses is
    /// noticed. Zero: none.
    std::chrono::milliseconds max_connection_age = std::chrono::minutes(10);
    /// How many exchanges a connection carries. Zero: any number.
    std::size_t max_connection_uses = 0;

    // Messages

    /// A status line or a header block larger than this fails.
    std::size_t max_header_block = 64 * 1024;
    /// More fields than this fail.
    std::size_t max_fields = 200;
    /// Sent as User-Agent, unless the request has one; empty for none.
    std::string user_agent = "weft/0.1";
    /// What is spoken on a connection.
    http::protocol protocol = protocol::automatic;
    /// Of HTTP/2. `max_concurrent_streams` is also the most exchanges that we begin at once.
    h2_options h2 = {};
    /// Of https. Unset: the system's roots, read at the first connection that needs them. A request
    /// may bring another tls::client_config, or tls::connection_settings, in its extensions.
    std::optional<tls::client_config> tls = {};

    // Layers around the pool, the outermost first. Unset: not there. (client::with adds others.)

    /// Follows redirects; other origins get no credentials.
    std::optional<redirect_options> redirects = {};
    /// Sends again what may pass the next time (http::retry_policy), within a budget.
    std::optional<retry_options> retry = {};
    /// Keeps cookies, here.
    std::optional<cookie_jar> cookies = {};
    /// Asks for compressed content, and decodes it.
    std::optional<decompress_options> decompress = {};

    /// Hears of connections that open and close, and of requests that wait or are sent again.
    observer observe = {};
};

}  // namespace weft::http
