// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/serve.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <utility>

namespace weft::http::detail {

namespace {

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

net::detail::core_factory core_of(app_factory make, const serve_options& options) {
    server_options limits = options.http;
    if (!limits.on_failure)
        limits.on_failure = options.on_failure ? options.on_failure : std::function(tell_stderr);
    return [make = std::move(make), limits] {
        server made(make(), limits);
        return net::detail::core_service{made, [made] { made.drain(); }};
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
