// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What nobody tests because it takes too long or too much: a certificate that expires while the
// program runs, one that is for somebody else, a connection that is cut off. Real TLS, in memory;
// certificates are judged by the time of the context, and here that is virtual: a month passes
// between two lines. In a test file of yours the checks are your framework's.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/buffer.hpp>
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>

using namespace weft;
using namespace std::literals;
using namespace std::chrono;

namespace {

void check(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
    fmt::print("ok: {}\n", what);
}

/// The code under test: the price, or why there is none.
awaitable<std::string> price(http::client shop) {
    auto answer = co_await attempt(shop.get("https://shop.test/price").send());
    if (!answer) co_return std::string(to_string(answer.error().kind()));
    co_return co_await answer->body().text();
}

const auto shop = [](http::request) -> awaitable<http::response> {
    co_return http::text("7 euro");
};

/// TLS in front of the shop. A handshake that fails is the client's affair here.
net::connector network(tls::identity who) {
    const tls::server_config config(std::move(who));
    return testing::mock_connector([=](io::stream s) -> awaitable<void> {
        auto secure = co_await attempt(tls::accept(std::move(s), config));
        if (secure) co_await http::server(shop).serve(std::move(*secure));
    });
}

awaitable<void> test() {
    const tls::development_ca ca;
    http::client_options options;
    options.tls = tls::client_config({.roots = {ca.root()}});
    options.idle_timeout = 1min;

    // Virtual time begins with the year 2024; this certificate is good for its January.
    const tls::development_options january{.not_after = sys_days(2024y / February / 1)};
    http::client client(network(ca.server({"shop.test"}, january)), options);
    std::string text = co_await price(client);
    check(text == "7 euro", "a certificate of the authority is believed");
    co_await sleep_for(days(40));
    text = co_await price(client);
    check(text == "authentication", "in February it is believed no more");

    http::client elsewhere(network(ca.server({"other.test"})), options);
    text = co_await price(elsewhere);
    check(text == "authentication", "a certificate of another host is not believed");

    const tls::development_ca stranger;
    http::client fooled(network(stranger.server({"shop.test"})), options);
    text = co_await price(fooled);
    check(text == "authentication", "nor is one of another authority");
}

}  // namespace

int main() { testing::run(test); }
