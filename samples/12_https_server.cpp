// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// HTTPS, HTTP/2 included, with a certificate from files:
//
//     $ ./12_https_server chain.pem key.pem &
//     $ curl --cacert ca.pem https://localhost:8443/
//     Hello over HTTP/2 and TLS 1.3
//
// SIGHUP would be the place for `config.reload`: copies of a configuration share what was built, so
// a renewed certificate is shown from the next handshake on. With --once it makes an authority of
// its own and asks itself: that is how its test runs it.

#include <weft/weft.hpp>

#include <fmt/core.h>

#include <string>
#include <string_view>

using namespace weft;

namespace {

awaitable<http::response> hello(http::request r) {
    const auto* session = r.extensions().ingress().get<tls::info>();
    co_return http::text(
        fmt::format("Hello over {} and {}\n", to_string(r.version()), to_string(session->version)));
}

http::serve_options secured(tls::identity who) {
    tls::server_options options;
    options.identities = {std::move(who)};
    options.alpn = {"h2", "http/1.1"};
    return {.tls = tls::server_config(std::move(options))};
}

awaitable<void> serve_once() {
    co_await with_scope([](task_scope& scope) -> awaitable<void> {
        const tls::development_ca ca;
        event listening;
        std::string at;
        http::serve_options options = secured(ca.server({"localhost", "127.0.0.1"}));
        options.on_listening = [&](const net::endpoint& e) {
            at = net::to_string(e);
            listening.set();
        };
        scope.spawn(http::serve("127.0.0.1:0", hello, std::move(options)));
        co_await listening.wait();

        // The defaults believe the roots of the system; this client knows a better one.
        const tls::client_config trust({.roots = {ca.root()}});
        http::client client({.tls = trust});
        http::response r = co_await client.get("https://" + at + "/").send();
        const std::string content = co_await r.body().text();
        fmt::print("{}", content);
        co_await client.close();
    });
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view(argv[1]) == "--once") return weft::run(serve_once());
    if (argc != 3) {
        fmt::print(stderr, "usage: 12_https_server CHAIN.PEM KEY.PEM\n");
        return 2;
    }
    const auto who = tls::identity::from_files(argv[1], argv[2]);
    return weft::run(http::serve("127.0.0.1:8443", hello, secured(who)));
} catch (const failure& f) {  // a file that is no certificate, or not of this key
    fmt::print(stderr, "{}\n", f.what());
    return 1;
}
