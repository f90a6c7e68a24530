// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/io/stream.hpp>
#include <weft/tls/server_config.hpp>

#include <utility>

namespace weft::tls {

/// The server's handshake: gives the stream that reads and writes what is inside.
///
///     io::stream secure = co_await tls::accept(std::move(stream), config);
///
/// Its extensions are the connection's, and hold a tls::info from now on. Throws failure, delivery
/// not_sent: authentication (a client certificate that is missing or not good, or the client's
/// refusal of ours), protocol, timeout (server_options::handshake_timeout), unavailable when the
/// client went away, or what the certificate service threw. A client that was refused has been told
/// by an alert; one that took too long or sent too much is just closed. Cancelled, the connection
/// is closed. May be awaited on any executor: the work is done on the stream's.
[[nodiscard]] awaitable<io::stream> accept(io::stream stream, server_config config);

/// TLS in front of a service of streams.
///
///     co_await net::serve(":8443", tls::acceptor(config) >> http::server(app));
///
/// A handshake that fails is thrown, as the service's own failures are. Const and re-entrant.
class acceptor : public pipeable {
  public:
    explicit acceptor(server_config config) : config_(std::move(config)) {}

    template <class Next>
    awaitable<void> serve(io::stream stream, const Next& next) const {
        io::stream secure = co_await accept(std::move(stream), config_);
        co_await next(std::move(secure));
    }

    [[nodiscard]] const server_config& config() const noexcept { return config_; }

  private:
    server_config config_;
};

}  // namespace weft::tls
