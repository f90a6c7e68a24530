// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// A bad network, in memory and in virtual time: latency, a partition, a server that vanishes, and
// a fault at every point of an exchange. The code under test has no idea. Ten minutes pass in a few
// milliseconds.

#include <weft/testing.hpp>
#include <weft/weft.hpp>

#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <stdexcept>
#include <string>

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

namespace {

void check(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
    fmt::print("ok: {}\n", what);
}

/// The code under test: asks for a price, and asks once more when that fails in a way that may.
awaitable<std::string> price(http::client shop) {
    for (int attempts = 0;; ++attempts) {
        auto answer = co_await attempt(shop.get("http://shop.test/price").timeout(2s).send());
        if (!answer && attempts == 0) continue;
        if (!answer) co_return std::string(to_string(answer.error().kind()));
        auto text = co_await attempt(answer->body().text());
        if (text) co_return *text;
        if (attempts > 0) co_return std::string(to_string(text.error().kind()));
    }
}

const auto shop = [](http::request) -> awaitable<http::response> {
    co_return http::text("7 euro, and a long description of the goods");
};

/// 1. Weather: a link that is slow, narrow, and gives bytes out by the spoonful.
awaitable<void> weather() {
    testing::network net(co_await asio::this_coro::executor);
    net.set_links("laptop", "shop.test",
                  {.latency = 40ms, .jitter = 10ms, .bandwidth = 10'000, .max_read = 7});
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn(http::serve(net.host("shop.test").listen(80), shop));
        http::client client{net.host("laptop").connector()};
        const std::string text = co_await price(client);
        check(text.starts_with("7 euro"), "a bad link is slow, and right");
        co_await client.close();
    });
    const std::string log = net.log();
    fmt::print("{}  ...\n", log.substr(0, log.find("bytes read") + 11));
}

/// 2. Disasters, one after the other, on the same client.
awaitable<void> disasters() {
    testing::network net(co_await asio::this_coro::executor);
    net.set_links("laptop", "shop.test", {.latency = 10ms});
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn(http::serve(net.host("shop.test").listen(80), shop));
        http::client client{net.host("laptop").connector()};

        net.set_link("shop.test", "laptop", {.latency = 10ms, .reset_at = 100});
        std::string text = co_await price(client);
        check(text == "unavailable", "a reset within the response is told as it is");
        net.set_link("shop.test", "laptop", {.latency = 10ms});

        net.partition("laptop", "shop.test");
        text = co_await price(client);
        check(text == "timeout", "a partition is a timeout, not a hang");
        net.heal();

        net.vanish("shop.test");
        co_await sleep_for(10min);
        net.restart("shop.test");
        text = co_await price(client);
        check(text.starts_with("7 euro"), "after a restart of the shop all is well");

        net.fail_name("shop.test");
        net.reset_connections("laptop", "shop.test");
        text = co_await price(client);
        check(text == "unavailable", "a name that is gone is unavailable");
        co_await client.close();
    });
}

/// 3. Everything that can go wrong at one point, one after the other.
void everything() {
    const auto report = testing::fault_plan().replay([](testing::fault_run& r) -> awaitable<void> {
        testing::mock_connector network{http::server(shop)};
        http::client client{network};
        co_await r.disturb([](http::client c) -> awaitable<void> {
            const std::string text = co_await price(c);
            if (text.starts_with("7")) co_return;
            throw failure(failure_kind::unavailable, text);
        }(client));
        co_await sleep_for(2h);  // a delay may still hold something back
        const std::string text = co_await price(client);
        if (!text.starts_with("7 euro")) throw std::runtime_error("the next request fails");
        co_await client.close();
    });
    fmt::print("{}", report.text());
    check(report.total() > 30, "a fault at any point is survived, and the next request works");
}

}  // namespace

int main() {
    testing::run(weather);
    testing::run(disasters);
    everything();
}
