// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// One client for many requests: how many connections a hundred requests take, where the time of
// one goes, and what a retry with a budget does about a service that stumbles. In virtual time, on
// a network in memory; with `http::client client;` it is the same over TCP.

#include <weft/http/layer/retry.hpp>
#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <fmt/core.h>

#include <memory>
#include <string>

using namespace weft;
using namespace std::literals;

namespace {

/// A shop that takes 20 ms for an answer, and says 503 to every third who asks for its stock.
http::any_app shop() {
    auto calls = std::make_shared<int>(0);
    return [calls](http::request r) -> awaitable<http::response> {
        co_await sleep_for(20ms);
        if (r.path() == "/stock" && ++*calls % 3 == 1) {
            http::response busy = http::text("busy", 503);
            busy.headers().set("Retry-After", "1");
            co_return busy;
        }
        co_return http::text("seven apples");
    };
}

awaitable<void> fetch(http::client client, std::string url) {
    http::response r = co_await client.get(url).send();
    co_await r.body().discard();
}

awaitable<void> a_hundred_requests(http::client client) {
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < 100; ++i) s.spawn(fetch(client, "http://shop.test/"));
        co_await sleep_for(1ms);
        const auto now = client.statistics();
        fmt::print("100 requests at once: {} connections are being opened, {} requests wait\n",
                   now.connecting, now.waiting);
        co_await sleep_for(1s);
    });
    const auto after = client.statistics();
    fmt::print("afterwards: {} open, {} idle\n\n", after.open, after.idle);
}

awaitable<void> where_the_time_goes(http::client client) {
    http::response r = co_await client.get("http://other.test/").timeout(2s).send();
    const std::string text = co_await r.body().text();
    fmt::print("\"{}\"\n", text);
    const auto phases = r.extensions().all<phase>();
    for (std::size_t i = phases.size(); i-- > 0;) fmt::print("  {}\n", phases[i]);
    if (const auto* body = r.extensions().get<http::body_time>(); body && body->took())
        fmt::print("  body={}ms\n\n",
                   std::chrono::duration_cast<std::chrono::milliseconds>(*body->took()).count());
}

awaitable<void> a_retry(http::client client) {
    http::client patient = client.with(http::retry({.attempts = 3}));
    fmt::print("{}\n", patient.describe());
    http::response r = co_await patient.get("http://shop.test/stock").send();
    const auto* attempt = r.extensions().get<attempt_number>();
    fmt::print("{} at attempt {}\n\n", r.status().code(), attempt ? attempt->value : 1);
    co_await r.body().discard();
}

awaitable<void> tour() {
    const http::server server(shop());
    auto slow_network =
        [mock = testing::mock_connector(server)](net::connect_request to) -> awaitable<io::stream> {
        co_await sleep_for(30ms);  // a connection takes its time
        co_return co_await mock.serve(std::move(to));
    };
    http::client_options options;
    options.max_connections_per_host = 10;
    http::client client(slow_network, options);
    co_await a_hundred_requests(client);
    co_await where_the_time_goes(client);
    co_await a_retry(client);
    co_await client.close();
    fmt::print("closed: {} open\n", client.statistics().open);
}

}  // namespace

int main() { testing::run(tour); }
