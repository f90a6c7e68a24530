// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Certificates that are not there before somebody asks for them: a service from client_hello to
// identity. It may ask a database or an authority over the network, for the handshake waits; its
// answers are kept for a while. Here an authority in memory issues one for each tenant.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>

using namespace weft;
using namespace std::literals;

namespace {

/// Knows the tenants. Their names come from the client, unverified: ask before you issue.
class issuer {
  public:
    explicit issuer(tls::development_ca ca) : ca_(std::move(ca)) {}

    awaitable<tls::identity> serve(tls::client_hello hello) const {
        if (!hello.server_name.ends_with(".tenants.test")) co_return tls::identity();  // not ours
        co_await sleep_for(300ms);  // an order at the authority takes its time
        fmt::print("  (a certificate for {} is issued)\n", hello.server_name);
        co_return ca_.server({hello.server_name});
    }

  private:
    tls::development_ca ca_;
};

awaitable<http::response> home(http::request r) {
    const auto* session = r.extensions().ingress().get<tls::info>();
    co_return http::text("the home of " + session->server_name);
}

awaitable<void> visit(net::connector network, tls::client_config trust, std::string_view name) {
    http::client client(network, {.tls = trust});  // with connections of its own
    auto answer = co_await attempt(client.get(fmt::format("https://{}/", name)).send());
    if (answer) {
        const std::string text = co_await answer->body().text();
        const auto* shown = answer->extensions().egress().get<tls::info>();
        fmt::print("{}: {}\n", shown->peer_chain.front().subject(), text);
    } else {
        fmt::print("{}: {}\n", name, answer.error().what());
    }
    co_await client.close();
}

awaitable<void> tour() {
    const tls::development_ca ca;
    tls::server_options options;
    options.certificates = issuer(ca);
    options.refuse_unknown_names = true;
    options.alpn = {"h2", "http/1.1"};
    const tls::server_config config(options);

    testing::network net(co_await boost::asio::this_coro::executor);
    for (const char* name : {"ann.tenants.test", "bob.tenants.test", "eve.test"})
        net.set_name(name, {"house"});
    auto body = [&](task_scope& scope) -> awaitable<void> {
        scope.spawn(http::serve(net.host("house").listen(443), home, {.tls = config}));
        const net::connector laptop = net.host("laptop").connector();
        const tls::client_config trust({.roots = {ca.root()}});
        for (const char* name :
             {"ann.tenants.test", "ann.tenants.test", "bob.tenants.test", "eve.test"})
            co_await visit(laptop, trust, name);
    };
    co_await with_scope(body);
}

}  // namespace

int main() { testing::run(tour); }
