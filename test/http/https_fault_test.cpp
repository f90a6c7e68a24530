// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Whole exchanges over TLS, by HTTP/2 and HTTP/1: with a failure, a delay or a cancellation at
// every wait in turn, and over bad networks of many seeds.
#include "exchanges.hpp"
#include "https_site.hpp"
#include <weft/net/serve.hpp>
#include <weft/testing/fault_plan.hpp>
#include <weft/testing/network.hpp>
#include <weft/testing/seeds.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace exchange_test;

namespace {

bool is_upgrade(const exchange& e) { return e.name == "an upgrade"sv; }

/// Each point costs two handshakes, so all of them take a minute: WEFT_SEEDS asks for that.
bool is_asked_for(const exchange& e, std::string_view alpn) {
    if (is_upgrade(e) && alpn == "h2") return false;
    if (std::getenv("WEFT_SEEDS")) return true;
    return e.name == "GET"sv ||
           (alpn == "h2" && e.name == "POST with a streamed body, echoed with trailers"sv);
}

testing::fault_report disturbed(const site& at, const exchange& e, std::string alpn) {
    return testing::fault_plan({}).replay([&](testing::fault_run& r) -> awaitable<void> {
        http::server server(app);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            http::client client(testing::mock_connector(at.secure({alpn}, server), s),
                                at.options());
            co_await r.disturb(e.work(client, "https://b/"));
            co_await sleep_for(2h);  // a delay may still hold something back
            co_await e.work(client, "https://b/");
            co_await client.close();
            demand(client.statistics() == http::pool_statistics{}, "the client keeps something");
            for (int i = 0; i < 100 && server.connections() > 0; ++i) co_await sleep_for(1s);
            demand(server.connections() == 0, "the server keeps a connection");
        });
    });
}

/// All exchanges by one client, one after the other and at once.
awaitable<void> over_a_bad_network(const site& at, testing::link_conditions link,
                                   std::string alpn) {
    testing::network net(co_await asio::this_coro::executor);
    net.set_links("laptop", "b", link);
    http::server server(app);
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn(net::serve(net.host("b").listen(443), at.secure({alpn}, server)));
        http::client client(net.host("laptop").connector(), at.options());
        for (const exchange& e : exchanges)
            if (alpn != "h2" || !is_upgrade(e)) co_await e.work(client, "https://b/");
        co_await when_all(exchanges[0].work(client, "https://b/"),
                          exchanges[3].work(client, "https://b/"),
                          exchanges[6].work(client, "https://b/"));
        co_await client.close();
        demand(client.statistics() == http::pool_statistics{}, "the client keeps something");
        for (int i = 0; i < 100 && server.connections() > 0; ++i) co_await sleep_for(1s);
        demand(server.connections() == 0, "the server keeps a connection");
    });
}

}  // namespace

TEST_CASE(
    "a fault at any wait of an exchange over TLS is a classified failure, and nothing stays") {
    const site at;
    for (const char* alpn : {"h2", "http/1.1"}) {
        for (const exchange& e : exchanges) {
            if (!is_asked_for(e, alpn)) continue;
            CAPTURE(std::string(alpn));
            CAPTURE(std::string(e.name));
            CHECK_NOTHROW([&] {
                const testing::fault_report r = disturbed(at, e, alpn);
                std::printf("faults: TLS, %s, %s: %zu points, %zu succeeded, %zu failed\n", alpn,
                            e.name, r.total(), r.succeeded, r.failures);
                CHECK(r.total() > 10);
            }());
        }
    }
}

TEST_CASE("HTTP over TLS passes over bad networks of many seeds") {
    const site at;
    for (const char* alpn : {"h2", "http/1.1"}) {
        CAPTURE(std::string(alpn));
        testing::run_seeds(
            [&]() -> awaitable<void> {
                const auto ex = co_await asio::this_coro::executor;
                // Each seed has a network of its own as well.
                auto& random = context_info::of(ex).entropy();
                testing::link_conditions link;
                link.latency = std::chrono::milliseconds(random.next() % 50);
                link.jitter = std::chrono::milliseconds(random.next() % 50);
                link.max_read = 1 + random.next() % 4000;
                link.max_write = 1 + random.next() % 4000;
                co_await over_a_bad_network(at, link, alpn);
            },
            {.count = 50});
    }
}
