// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Whole exchanges in both roles, with a failure, a delay or a cancellation at every wait in turn.
#include "peers.hpp"
#include <weft/http/serve.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/fault_plan.hpp>
#include <weft/testing/network.hpp>

#include <cstdio>
#include <cstdlib>

using namespace peers;

namespace {

constexpr std::size_t large = 200'000;

/// Nothing that a fault explains: it breaks the plan.
void demand(bool holds, const char* what) {
    if (!holds) throw failure(failure_kind::internal, what);
}

http::body pieces(int n) {
    return http::body::pull([n]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n-- == 0) co_return std::nullopt;
        co_await sleep_for(10ms);
        co_return weft::bytes("piece");
    });
}

awaitable<void> echo_stream(io::stream s) {
    std::array<char, 64> buffer;
    while (std::size_t n = co_await s.read(asio::buffer(buffer)))
        co_await s.write(asio::const_buffer(buffer.data(), n));
}

const auto app = [](http::request r) -> awaitable<http::response> {
    if (r.path() == "/pieces") {
        http::headers sum{{"Sum", "7"}};
        co_return http::response(200, pieces(3).with_trailers(std::move(sum)));
    }
    if (r.path() == "/large") co_return http::text(std::string(large, 'l'));
    if (r.path() == "/upgrade") {
        http::response answer(http::status::switching_protocols);
        answer.headers().set("Upgrade", "echo");
        answer.on_upgrade(echo_stream);
        co_return answer;
    }
    if (r.path() == "/no") co_return http::text("no", 403);
    if (r.path() == "/echo") co_return co_await echo(std::move(r));
    if (r.path() == "/channel") {
        auto [writer, content] = http::body::channel(1);
        co_await with_scope([&, w = std::move(writer)](task_scope& s) mutable -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await w.write(weft::bytes("through "));
                co_await w.write(weft::bytes("a channel"));
                w.close();
            });
            content = http::body(co_await content.text());
        });
        co_return http::response(200, std::move(content));
    }
    if (r.method() == http::method::post) {
        const std::string text = co_await r.body().text();
        co_return http::text(text);
    }
    co_await sleep_for(10ms);
    co_return http::text("hello");
};

struct exchange {
    const char* name;
    /// Throws `internal` when it came to something that no fault explains.
    awaitable<void> (*work)(http::client);
};

/// A request that comes too slowly is answered 408.
void demand_status(const http::response& r, int status) {
    if (r.status() == 408) throw failure(failure_kind::timeout, "the server answered 408");
    demand(r.status() == http::status(status), "another status");
}

awaitable<void> expect(http::response r, std::string text) {
    demand_status(r, 200);
    const std::string got = co_await r.body().text();
    demand(got == text, "other content");
}

const exchange exchanges[] = {
    {"GET",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/").send();
         co_await expect(std::move(r), "hello");
     }},
    {"HEAD",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.head("http://b/").send();
         demand_status(r, 200);
         demand(r.headers().content_length() == 5, "no length");
         co_await expect(std::move(r), "");
     }},
    {"POST",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.post("http://b/").body("content").send();
         co_await expect(std::move(r), "content");
     }},
    {"POST with a streamed body, echoed with trailers",
     [](http::client c) -> awaitable<void> {
         http::headers sum{{"Sum", "7"}};
         http::body content = pieces(3).with_trailers(std::move(sum));
         http::response r = co_await c.post("http://b/echo").body(std::move(content)).send();
         co_await expect(std::move(r), "piecepiecepiece");
     }},
    {"POST that expects 100-continue",
     [](http::client c) -> awaitable<void> {
         http::response r =
             co_await c.post("http://b/").header("Expect", "100-continue").body("content").send();
         co_await expect(std::move(r), "content");
     }},
    {"an expectation that is turned down",
     [](http::client c) -> awaitable<void> {
         http::response r =
             co_await c.post("http://b/no").header("Expect", "100-continue").body("content").send();
         demand_status(r, 403);
         const std::string got = co_await r.body().text();
         demand(got == "no", "other content");
     }},
    {"a chunked response with trailers",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/pieces").send();
         demand_status(r, 200);
         std::string got;
         while (std::optional<weft::bytes> chunk = co_await r.body().next())
             got += std::string_view(*chunk);
         demand(got == "piecepiecepiece", "other content");
         http::headers* t = r.body().trailers();
         demand(t && t->get("Sum") == "7", "no trailers");
     }},
    {"an upgrade",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/upgrade").header("Upgrade", "echo").send();
         demand_status(r, 101);
         io::stream s = r.take_upgraded();
         co_await s.write(weft::bytes("over the tunnel"));
         std::string got;
         std::array<char, 64> buffer;
         while (got.size() < 15) {
             const std::size_t n = co_await s.read(asio::buffer(buffer));
             if (n == 0) throw failure(failure_kind::unavailable, "the tunnel ended");
             got.append(buffer.data(), n);
         }
         demand(got == "over the tunnel", "other content");
     }},
    {"three requests, one connection",
     [](http::client c) -> awaitable<void> {
         for (int i = 0; i < 3; ++i) {
             http::response r = co_await c.post("http://b/").body("content").send();
             co_await expect(std::move(r), "content");
         }
     }},
    {"two requests at a time",
     [](http::client c) -> awaitable<void> {
         auto one = [](http::client client) -> awaitable<void> {
             http::response r = co_await client.get("http://b/").send();
             co_await expect(std::move(r), "hello");
         };
         co_await when_all(one(c), one(c));
     }},
    {"a large response, dropped after its first piece",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/large").send();
         demand_status(r, 200);
         std::optional<weft::bytes> chunk = co_await r.body().next();
         demand(chunk.has_value(), "no content");
     }},
    {"a large response",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/large").send();
         demand_status(r, 200);
         const std::uint64_t n = co_await r.body().discard();
         demand(n == large, "other content");
     }},
    {"a large streamed body, echoed",
     [](http::client c) -> awaitable<void> {
         auto make = [left = 6]() mutable -> awaitable<std::optional<weft::bytes>> {
             if (left-- == 0) co_return std::nullopt;
             co_return weft::bytes(std::string(30'000, 'e'));
         };
         http::response r = co_await c.post("http://b/echo").body(http::body::pull(make)).send();
         demand_status(r, 200);
         const std::uint64_t n = co_await r.body().discard();
         demand(n == 180'000, "other content");
     }},
    {"a body through a channel",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/channel").send();
         co_await expect(std::move(r), "through a channel");
     }},
    {"a time limit over it all",
     [](http::client c) -> awaitable<void> {
         http::response r = co_await c.get("http://b/pieces").timeout(5s).send();
         co_await expect(std::move(r), "piecepiecepiece");
     }},
};

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
                co_await r.disturb(e.work(*client));
                co_await sleep_for(2h);  // a delay may still hold something back
                co_await e.work(*client);
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
                        auto done = co_await attempt(e.work(client));
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
