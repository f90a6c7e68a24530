// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/serve.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <utility>

namespace weft::http::detail {

namespace {

void tell_stderr(const failure& f) { fmt::print(stderr, "weft: a request failed: {}\n", f.what()); }

net::serve_options transport_of(serve_options& options) {
    if (!options.http.on_failure)
        options.http.on_failure =
            options.on_failure ? options.on_failure : std::function(tell_stderr);
    net::serve_options transport;
    transport.drain = options.drain;
    transport.on_listening = std::move(options.on_listening);
    transport.on_failure = std::move(options.on_failure);
    transport.max_connections = options.max_connections;
    transport.backlog = options.backlog;
    return transport;
}

net::detail::core_factory core_of(app_factory make, const server_options& limits) {
    return [make = std::move(make), limits] {
        server made(make(), limits);
        return net::detail::core_service{made, [made] { made.drain(); }};
    };
}

}  // namespace

awaitable<void> serve(std::string address, app_factory make, serve_options options) {
    net::serve_options transport = transport_of(options);
    return net::detail::serve(std::move(address), core_of(std::move(make), options.http),
                              std::move(transport));
}

awaitable<void> serve(std::unique_ptr<net::detail::acceptor> from, app_factory make,
                      serve_options options) {
    net::serve_options transport = transport_of(options);
    return net::detail::serve(std::move(from), core_of(std::move(make), options.http),
                              std::move(transport));
}

}  // namespace weft::http::detail
