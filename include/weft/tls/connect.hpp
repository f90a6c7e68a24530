// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/tls/client_config.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace weft::tls {

/// Whom a client means to talk to.
struct target {
    /// A name, which is sent (SNI) and must be in the certificate; or an IP address, which is not
    /// sent and must be there as an address (RFC 9110, 4.3.5).
    std::string host;
    /// Tells sessions of different servers on one host apart.
    std::uint16_t port = 443;
};

/// The client's handshake: gives the stream that reads and writes what is inside.
///
///     tls::target shop{"shop.test", 443};
///     io::stream secure = co_await tls::handshake(std::move(stream), config, shop);
///
/// Its extensions are the connection's, and hold a tls::info from now on. Throws failure, delivery
/// not_sent: authentication, naming the host, the certificate and what is wrong with it; protocol;
/// timeout; unavailable when the server went away. Cancelled, the connection is closed. (A server
/// of TLS 1.3 that refuses the client's certificate says so after the handshake: the first read
/// fails.)
[[nodiscard]] awaitable<io::stream> handshake(io::stream stream, client_config config, target to,
                                              connection_settings settings = {});

/// TLS around a connector.
///
///     auto connect = tls::connect(config) >> net::tcp::connector();
///     io::stream s = co_await connect.serve(net::connect_request("shop.test", 443));
///
/// A client_config or connection_settings in the request's extensions win over the layer's. Const
/// and re-entrant.
class connect : public pipeable {
  public:
    explicit connect(client_config config) : config_(std::move(config)) {}

    template <class Next>
    awaitable<io::stream> serve(net::connect_request request, const Next& next) const {
        plan to = plan_for(request);
        io::stream below = co_await next(std::move(request));
        io::stream secure = co_await handshake(std::move(below), std::move(to.config),
                                               std::move(to.host), std::move(to.settings));
        co_return std::move(secure);
    }

    [[nodiscard]] const client_config& config() const noexcept { return config_; }

  private:
    struct plan {
        client_config config;
        target host;
        connection_settings settings;
    };
    [[nodiscard]] plan plan_for(const net::connect_request& request) const;

    client_config config_;
};

}  // namespace weft::tls
