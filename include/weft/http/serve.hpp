// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/per_core.hpp>
#include <weft/http/server.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/serve.hpp>
#include <weft/tls/server_config.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::http {

struct serve_options {
    /// Once cancelled: how long connections may take to finish what they are at.
    std::chrono::milliseconds drain = std::chrono::seconds(10);
    /// Called once it listens, with the real port. (A function of a net::endpoint will do where it
    /// listens to TCP.)
    std::function<void(const net::any_endpoint&)> on_listening = {};
    /// What went wrong inside: an application that threw without a status in mind (the client sees
    /// 500), a connection that failed. Several threads may call it at once. The default writes one
    /// line to stderr.
    std::function<void(const failure&)> on_failure = {};
    /// Connections that may live at once, on all cores together; then accepting waits. Zero: no
    /// limit.
    std::size_t max_connections = 0;
    /// Connections that the operating system holds until they are accepted.
    int backlog = 4096;
    /// What the system is told about the sockets: the listener's and its connections'.
    net::socket_options socket = {};
    /// Of a Unix socket with a path: who may connect.
    net::socket_file_options file = {};
    /// TLS in front of HTTP; unset: clear text. What its `alpn` names is spoken, HTTP/1.1 when that
    /// is empty: {"h2", "http/1.1"} is what browsers want. A handshake that fails is the client's
    /// affair: it is told to http.observe (debug), and not to on_failure.
    std::optional<tls::server_config> tls = {};
    /// The limits of HTTP, and its observer.
    server_options http = {};
};

namespace detail {
using app_factory = std::function<any_app()>;
awaitable<void> serve(std::string address, app_factory make, serve_options options);
awaitable<void> serve(net::listen_socket socket, app_factory make, serve_options options);
awaitable<void> serve(std::unique_ptr<net::detail::any_acceptor> from, app_factory make,
                      serve_options options);

template <class App>
app_factory each_core(App app) {
    if constexpr (is_per_core<App>)
        return [app = std::move(app)]() -> any_app { return any_app(app.make()); };
    else
        return [app = any_app(std::move(app))] { return app; };
}
}  // namespace detail

/// Serves an application on an address: "127.0.0.1:8080", "[::1]:0", ":80" (all addresses),
/// "unix:/run/app.sock", or a socket that this process was started with, "systemd:NAME".
///
///     return weft::run(http::serve("0.0.0.0:8080", hello));
///     return weft::runtime{{.threads = 8}}.run(http::serve("0.0.0.0:8080", per_core(make_app)));
///     asio::co_spawn(pool, http::serve("127.0.0.1:0", app, {.on_listening = print}),
///                    asio::bind_cancellation_slot(stop.slot(), handler));
///
/// HTTP/1.1 and HTTP/2, the latter by prior knowledge; over TLS (serve_options::tls) by ALPN.
///
/// On a weft::runtime each core listens for itself (SO_REUSEPORT) and a connection stays on the
/// core that accepted it; `app` is then shared by the cores, unless it is a per_core. On any other
/// executor there is one listener, and each connection has a strand of its own where the executor
/// is not serial.
///
/// Runs until it is cancelled. Then it drains: it takes what the system has accepted already, stops
/// listening, lets each connection finish the response it is at (`Connection: close`), cancels what
/// is left after `drain`, and completes normally. A TLS handshake counts as what its connection is
/// at once the client has begun it. Throws failure when the address cannot be bound, the listener
/// breaks, or (invalid_input) the ALPN of `tls` names a version of HTTP that `http` switches off.
template <class App>
awaitable<void> serve(std::string address, App app, serve_options options = {}) {
    return detail::serve(std::move(address), detail::each_core(std::move(app)), std::move(options));
}

/// The same on a socket that listens already, whose queue all cores share (net/listen_socket.hpp).
/// The options `backlog`, `socket` and `file` were its opener's.
template <class App>
awaitable<void> serve(net::listen_socket socket, App app, serve_options options = {}) {
    return detail::serve(std::move(socket), detail::each_core(std::move(app)), std::move(options));
}

/// The same with a listener of any kind, on the core that awaits this: one of a testing::network,
/// say. Of the options, `backlog`, `max_connections`, `on_listening`, `socket` and `file` are the
/// listener's own affair.
template <net::stream_listener Listener, class App>
awaitable<void> serve(Listener from, App app, serve_options options = {}) {
    return detail::serve(std::make_unique<net::detail::acceptor_of<Listener>>(std::move(from)),
                         detail::each_core(std::move(app)), std::move(options));
}

}  // namespace weft::http
