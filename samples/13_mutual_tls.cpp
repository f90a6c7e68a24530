// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Both sides show a certificate. The server asks every client for one of its own authority, and the
// handler knows who is calling; a client without one, or with one of a stranger's authority, is not
// let in. On a network in memory; `http::serve("0.0.0.0:443", ...)` takes the same options.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <string>
#include <string_view>

using namespace weft;

namespace {

/// The certificate was verified before the handler was called.
awaitable<http::response> who_are_you(http::request r) {
    const auto* session = r.extensions().ingress().get<tls::info>();
    co_return http::text("Hello, " + session->peer_chain.front().subject());
}

tls::server_config front_door(const tls::development_ca& ours) {
    tls::server_options options;
    options.identities = {ours.server({"vault.test"})};
    options.alpn = {"h2", "http/1.1"};
    options.client_certificates = tls::client_certificates::required;
    options.client_roots = {ours.root()};
    return tls::server_config(std::move(options));
}

awaitable<void> knock(const net::connector& network, std::string_view who, tls::client_options as) {
    http::client client(network, {.tls = tls::client_config(std::move(as))});
    auto answer = co_await attempt(client.get("https://vault.test/").send());
    if (answer) {
        const std::string text = co_await answer->body().text();
        fmt::print("{}: {} \"{}\"\n", who, answer->status().code(), text);
    } else {
        fmt::print("{}: {}\n", who, answer.error().what());
    }
    co_await client.close();
}

awaitable<void> tour() {
    const tls::development_ca ours("our CA"), theirs("their CA");
    testing::network net(co_await boost::asio::this_coro::executor);
    auto body = [&](task_scope& scope) -> awaitable<void> {
        auto listener = net.host("vault.test").listen(443);
        scope.spawn(http::serve(std::move(listener), who_are_you, {.tls = front_door(ours)}));
        const net::connector laptop = net.host("laptop").connector();

        const tls::client_options trust{.roots = {ours.root()}};
        tls::client_options ann = trust, stranger = trust;
        ann.identity = ours.client("Ann");
        stranger.identity = theirs.client("Ann");  // the name is the same, the authority is not
        co_await knock(laptop, "Ann", ann);
        co_await knock(laptop, "nobody", trust);
        co_await knock(laptop, "a stranger", stranger);
    };
    co_await with_scope(body);
}

}  // namespace

int main() { testing::run(tour); }
