// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a page will need is said before the page is made (103, RFC 8297): the client fetches the
// style over the same HTTP/2 connection while the database still works.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <chrono>
#include <string>

using namespace weft;
using namespace std::chrono_literals;

namespace {

awaitable<http::response> shop(http::request r) {
    if (r.path() == "/style.css") co_return http::text("h1 { color: teal }");
    http::response_head hints(http::status::early_hints);
    hints.headers().add("Link", "</style.css>; rel=preload; as=style");
    http::send_interim(r, std::move(hints));
    co_await sleep_for(200ms);  // the database
    co_return http::bytes(bytes("<h1>Cart</h1>"), "text/html");
}

awaitable<void> shop_with_hints() {
    const tls::development_ca ca;
    tls::server_options secure;
    secure.identities = {ca.server({"shop.test"})};
    secure.alpn = {"h2"};
    auto connect = testing::mock_connector(tls::acceptor(tls::server_config(std::move(secure))) >>
                                           http::server(shop));
    http::client client(std::move(connect), {.tls = tls::client_config({.roots = {ca.root()}})});

    const auto& time = context_info::of(co_await boost::asio::this_coro::executor).clock();
    const auto passed = [&time, began = time.now()] {
        return std::chrono::duration_cast<std::chrono::milliseconds>(time.now() - began).count();
    };
    co_await with_scope([&](task_scope& scope) -> awaitable<void> {
        auto fetch = [&]() -> awaitable<void> {
            auto style = co_await client.get("https://shop.test/style.css").send();
            const std::string text = co_await style.body().text();
            fmt::print("after {:3} ms: {}\n", passed(), text);
        };
        auto page = co_await client.get("https://shop.test/cart")
                        .extension(http::on_interim{[&](const http::response_head& head) {
                            fmt::print("{} {}\n", head.status().code(),
                                       head.headers().get("Link").value_or(""));
                            scope.spawn(fetch());
                        }})
                        .send();
        const std::string text = co_await page.body().text();
        fmt::print("after {:3} ms: {} over {}\n", passed(), text, to_string(page.version()));
    });
    co_await client.close();
}

}  // namespace

int main() {
    // In virtual time, and in memory.
    testing::run(shop_with_hints);
}
