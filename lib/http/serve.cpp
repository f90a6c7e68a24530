// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/observe.hpp>
#include <weft/http/serve.hpp>
#include <weft/tls/acceptor.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <new>
#include <utility>

namespace weft::http::detail {

namespace {

/// Idle connections that are on their way out at a time while others cannot come in.
constexpr std::size_t relief = 16;

void relieve(const server& s) noexcept {
    try {
        s.close_idle(relief);
    } catch (const std::bad_alloc&) {
        // Memory is what has run out; a tenth of a second later this is asked for again.
    }
}

void tell_stderr(const failure& f) { fmt::print(stderr, "weft: a request failed: {}\n", f.what()); }

net::serve_options transport_of(serve_options& options) {
    net::serve_options transport;
    transport.drain = options.drain;
    transport.on_listening = std::move(options.on_listening);
    transport.on_failure = std::move(options.on_failure);
    transport.max_connections = options.max_connections;
    transport.backlog = options.backlog;
    transport.socket = std::move(options.socket);
    transport.file = options.file;
    return transport;
}

/// An HTTP server behind TLS. Who cannot shake hands is nobody's failure here: the internet is full
/// of them.
struct secure_server {
    tls::server_config config;
    observer observe;
    server made;

    awaitable<void> serve(io::stream connection) const {
        extensions told = connection.extensions().fork();
        if (observe) told.insert(observe);
        io::stream inside;
        std::exception_ptr thrown;
        try {
            inside = co_await tls::accept(std::move(connection), config);
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown) {
            const failure f = failure::from(thrown);
            if (f.kind() == failure_kind::cancelled) std::rethrow_exception(thrown);
            log(told, severity::debug, "a TLS handshake failed", {{"error", f.what()}});
            co_return;
        }
        co_await made.serve(std::move(inside));
    }
};

net::detail::core_factory core_of(app_factory make, const serve_options& options) {
    server_options limits = options.http;
    if (!limits.on_failure)
        limits.on_failure = options.on_failure ? options.on_failure : std::function(tell_stderr);
    return [make = std::move(make), limits, tls = options.tls] {
        server made(make(), limits);
        any_service<io::stream, void> whole(made);
        if (tls) whole = any_service<io::stream, void>(secure_server{*tls, limits.observe, made});
        return net::detail::core_service{std::move(whole), [made] { made.drain(); },
                                         [made] { relieve(made); }};
    };
}

}  // namespace

awaitable<void> serve(std::string address, app_factory make, serve_options options) {
    auto core = core_of(std::move(make), options);
    return net::detail::serve(std::move(address), std::move(core), transport_of(options));
}

awaitable<void> serve(net::listen_socket socket, app_factory make, serve_options options) {
    auto core = core_of(std::move(make), options);
    return net::detail::serve(std::move(socket), std::move(core), transport_of(options));
}

awaitable<void> serve(std::unique_ptr<net::detail::any_acceptor> from, app_factory make,
                      serve_options options) {
    auto core = core_of(std::move(make), options);
    return net::detail::serve(std::move(from), std::move(core), transport_of(options));
}

}  // namespace weft::http::detail
