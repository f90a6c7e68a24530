// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Whole exchanges in both roles, with a failure, a delay or a cancellation at every wait in turn.
#include "exchanges.hpp"
#include <weft/http/serve.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/fault_plan.hpp>
#include <weft/testing/network.hpp>

#include <cstdio>
#include <cstdlib>

using namespace exchange_test;

namespace {

/// A client, the faults anywhere, the cancellation at the caller.
testing::fault_report as_client(const exchange& e, bool over_network,
                                testing::fault_plan_options options = {},
                                testing::link_conditions link = {.latency = 1ms}) {
    return testing::fault_plan(std::move(options))
        .replay([&](testing::fault_run& r) -> awaitable<void> {
            testing::network net(co_await asio::this_coro::executor);
            net.set_links("a", "b", link);
            http::server server(app);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                std::optional<http::client> client;
                if (over_network) {
                    s.spawn(net::serve(net.host("b").listen(80), server));
                    client.emplace(net.host("a").connector());
                } else {
                    client.emplace(testing::mock_connector(server, s));
                }
                co_await r.disturb(e.work(*client, "http://b/"));
                co_await sleep_for(2h);  // a delay may still hold something back
                co_await e.work(*client, "http://b/");
                co_await client->close();
                for (int i = 0; i < 100 && server.connections() > 0; ++i) co_await sleep_for(1s);
                demand(server.connections() == 0, "the server keeps a connection");
            });
        });
}

/// A connection of a server, the cancellation at what serves it.
testing::fault_report as_server(const exchange& e, testing::fault_plan_options options = {}) {
    return testing::fault_plan(std::move(options))
        .replay([&](testing::fault_run& r) -> awaitable<void> {
            const auto ex = co_await asio::this_coro::executor;
            http::server server(app);
            for (const bool disturbed : {true, false}) {
                co_await with_scope([&](task_scope& s) -> awaitable<void> {
                    std::vector<io::stream> accepted;
                    event arrived;
                    bool first = true;
                    // The first connection is disturbed, others are served beside it.
                    auto connect = [&](net::connect_request) -> awaitable<io::stream> {
                        auto [near, far] = io::duplex(ex);
                        if (disturbed && std::exchange(first, false)) {
                            accepted.push_back(std::move(far));
                            arrived.set();
                        } else {
                            s.spawn(server.serve(std::move(far)));
                        }
                        co_return std::move(near);
                    };
                    http::client client{net::connector(connect)};
                    std::optional<failure> got;
                    event over;
                    s.spawn([&]() -> awaitable<void> {
                        auto done = co_await attempt(e.work(client, "http://b/"));
                        if (!done) got = done.error();
                        co_await client.close();
                        over.set();
                    });
                    if (disturbed) {
                        co_await arrived.wait();
                        io::stream stream = std::move(accepted.front());
                        const bool well = co_await r.disturb(server.serve(std::move(stream)));
                        demand(well || r.failed()->kind() == failure_kind::cancelled,
                               "a server's connection throws for what its peer did");
                    }
                    co_await over.wait();
                    if (got) {
                        if (!disturbed) throw failure(*got);
                        demand(got->kind() != failure_kind::internal, "not classified");
                        demand(got->kind() != failure_kind::cancelled,
                               "nobody cancelled the client");
                    }
                    if (disturbed) co_await sleep_for(2h);
                    for (int i = 0; i < 100 && server.connections() > 0; ++i)
                        co_await sleep_for(1s);
                    demand(server.connections() == 0, "the server keeps a connection");
                });
            }
        });
}

void show(const char* role, const exchange& e, const testing::fault_report& r) {
    std::printf("faults: %s, %s: %zu points, %zu succeeded, %zu failed\n", role, e.name, r.total(),
                r.succeeded, r.failures);
    CHECK(r.total() > 10);
}

}  // namespace

TEST_CASE("a client survives a fault at any wait of an exchange, and the next one works") {
    for (const exchange& e : exchanges) {
        CAPTURE(std::string(e.name));
        CHECK_NOTHROW(show("client", e, as_client(e, false)));
    }
}

TEST_CASE("a client on a network survives a fault at any wait") {
    for (const exchange& e : exchanges) {
        CAPTURE(std::string(e.name));
        CHECK_NOTHROW(show("client on a network", e, as_client(e, true)));
    }
}

TEST_CASE("a server survives a fault at any wait of a connection, and serves the next one") {
    for (const exchange& e : exchanges) {
        CAPTURE(std::string(e.name));
        CHECK_NOTHROW(show("server", e, as_server(e)));
    }
}

TEST_CASE("faults in another order of ready work, in short reads and writes, change nothing") {
    const char* many = std::getenv("WEFT_SEEDS");
    const std::uint64_t seeds = many ? std::strtoull(many, nullptr, 10) : 2;
    for (const exchange& e : exchanges) {
        const bool is_large = std::string_view(e.name).find("large") != std::string_view::npos;
        std::size_t points = 0;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            CAPTURE(std::string(e.name));
            CAPTURE(seed);
            testing::fault_plan_options options;
            options.run = {.seed = seed, .shuffle = true};
            options.error = seed % 2 == 0 ? asio::error::broken_pipe : asio::error::timed_out;
            const std::size_t most = is_large ? 20'000 : 25;
            CHECK_NOTHROW(
                points +=
                as_client(e, true, options,
                          {.latency = 1ms, .jitter = 2ms, .max_read = most, .max_write = most})
                    .total());
            CHECK_NOTHROW(points += as_client(e, false, options).total());
            CHECK_NOTHROW(points += as_server(e, options).total());
        }
        std::printf("faults: shuffled, %s: %zu points\n", e.name, points);
    }
}
