// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// HTTP over a Unix socket: a server that only this user reaches and that knows who asks, and a
// client. `http::serve` and `http::client` are the same as over TCP; only the address differs.

#include <weft/net/unix.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <string>

#include <unistd.h>

using namespace weft;
using namespace std::literals;

namespace {

/// Tells the client which user it is. The system says so; nobody can forge it.
awaitable<http::response> who_am_i(http::request r) {
    const auto* peer = r.extensions().ingress().get<net::peer_credentials>();
    if (!peer) co_return http::text("this is no Unix socket\n", 403);
    co_return http::text("user " + std::to_string(peer->user) + "\n");
}

awaitable<void> ask(std::string path, event& listens) {
    co_await listens.wait();
    http::client client{net::unix_domain::connector(path)};
    http::response res = co_await client.get("http://app/whoami").send();
    const std::string text = co_await res.body().text();
    fmt::print("{} says: {}", path, text);
}

}  // namespace

int main() {
    const std::string path = "/tmp/weft-sample-" + std::to_string(::getpid()) + ".sock";
    return weft::run([&]() -> awaitable<void> {
        event listens;
        http::serve_options options;
        options.file.permissions = 0600;  // the default: this user only
        options.on_listening = [&](const net::any_endpoint&) { listens.set(); };
        // The first to end stops the other: the server drains, and its file is removed.
        co_await when_any(http::serve("unix:" + path, who_am_i, options), ask(path, listens));
    });
}
