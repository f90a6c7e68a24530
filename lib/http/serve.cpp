// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "handshakes.hpp"
#include <weft/core/observe.hpp>
#include <weft/http/serve.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

namespace weft::http::detail {

namespace {

/// Idle connections that are on their way out at a time while others cannot come in.
constexpr std::size_t relief = 16;

template <class Server>
void relieve(const Server& s) noexcept {
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
    std::shared_ptr<handshakes> under_way = std::make_shared<handshakes>();

    void drain() const {
        under_way->drain();
        made.drain();
    }
    void close_idle(std::size_t most) const {
        // Who is silent first, and who makes progress last.
        most -= under_way->relieve(most, false);
        most -= made.close_idle(most);
        under_way->relieve(most, true);
    }

    awaitable<void> serve(io::stream connection) const {
        extensions told = connection.extensions().fork();
        if (observe) told.insert(observe);
        const auto all = under_way;  // of several connections, and outlives the service
        std::optional<io::stream> inside;
        std::exception_ptr thrown;
        bool given_up = false;
        {
            const handshakes::entry listed(*all, connection);
            try {
                inside.emplace(
                    co_await tls::detail::accept(std::move(connection), config, listed.watch()));
            } catch (...) {
                thrown = std::current_exception();
            }
            given_up = listed.given_up();
        }
        if (thrown && !given_up) {
            const failure f = failure::from(thrown);
            if (f.kind() == failure_kind::cancelled) std::rethrow_exception(thrown);
            log(told, severity::debug, "a TLS handshake failed", {{"error", f.what()}});
            co_return;
        }
        if (inside) {
            co_await made.serve(std::move(*inside));
        } else {
            log(told, severity::debug, "a TLS handshake was given up");
        }
    }
};

/// ALPN may not promise what is not spoken.
void check_alpn(const tls::server_config& config, const server_options& http) {
    const auto check = [&](std::string_view name, bool spoken) {
        const auto current = config.options();
        const auto& offered = current->alpn;
        if (spoken || std::ranges::find(offered, name) == offered.end()) return;
        throw failure(failure_kind::invalid_input,
                      "the ALPN of serve_options::tls names a protocol that is not spoken")
            .with("protocol", std::string(name));
    };
    check("h2", http.speak_http2);
    check("http/1.1", http.speak_http1);
}

net::detail::core_factory core_of(app_factory make, const serve_options& options) {
    server_options limits = options.http;
    if (!limits.on_failure)
        limits.on_failure = options.on_failure ? options.on_failure : std::function(tell_stderr);
    return [make = std::move(make), limits, tls = options.tls] {
        server made(make(), limits);
        if (tls) {
            const secure_server secure{*tls, limits.observe, made};
            return net::detail::core_service{any_service<io::stream, void>(secure),
                                             [secure] { secure.drain(); },
                                             [secure] { relieve(secure); }};
        }
        return net::detail::core_service{any_service<io::stream, void>(made),
                                         [made] { made.drain(); }, [made] { relieve(made); }};
    };
}

template <class From>
awaitable<void> serve_from(From from, app_factory make, serve_options options) {
    if (options.tls) check_alpn(*options.tls, options.http);
    auto core = core_of(std::move(make), options);
    auto transport = transport_of(options);
    co_await net::detail::serve(std::move(from), std::move(core), std::move(transport));
}

}  // namespace

awaitable<void> serve(std::string address, app_factory make, serve_options options) {
    return serve_from(std::move(address), std::move(make), std::move(options));
}

awaitable<void> serve(net::listen_socket socket, app_factory make, serve_options options) {
    return serve_from(std::move(socket), std::move(make), std::move(options));
}

awaitable<void> serve(std::unique_ptr<net::detail::any_acceptor> from, app_factory make,
                      serve_options options) {
    return serve_from(std::move(from), std::move(make), std::move(options));
}

}  // namespace weft::http::detail
