// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_world.hpp"
#include <weft/http/client.hpp>
#include <weft/http/serve.hpp>
#include <weft/testing/stream_suite.hpp>

using namespace network_world;

namespace {

void check_laws(testing::network_options options, testing::link_conditions there,
                testing::link_conditions back) {
    testing::stream_suite suite(
        [=](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            testing::network net(ex, options);
            net.set_link("a", "b", there);
            net.set_link("b", "a", back);
            testing::network_listener listener = net.host("b").listen(80);
            testing::network_connector connect = net.host("a").connector();
            io::stream client = co_await connect.serve(net::connect_request("b", 80));
            io::stream server = co_await listener.accept();
            co_return testing::stream_pair(std::move(client), std::move(server));
        },
        {.same_executor = false});
    for (const testing::stream_law& law : testing::stream_laws()) {
        if (options.capacity < 1024 && law.name.find("64 MiB") != std::string_view::npos)
            continue;  // slow in so small pieces
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

}  // namespace

TEST_CASE("streams of a network keep the laws of a stream") { check_laws({}, {}, {}); }

TEST_CASE("streams of a network of 128 bytes keep the laws of a stream") {
    check_laws({.capacity = 128}, {}, {});
}

TEST_CASE("streams keep their laws when reads and writes are short") {
    // At most sixteen buffers are used, and a buffer is filled, only where short counts permit.
    testing::link_conditions ragged{.max_read = 7000, .max_write = 9000};
    check_laws({}, {}, ragged);
}

TEST_CASE("a client and a server meet over a network, and cannot tell it from TCP") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        net.set_links("laptop", "shop.test", {.latency = 40ms});
        auto& time = context_info::of(co_await asio::this_coro::executor).clock();
        auto hello = [](http::request r) -> awaitable<http::response> {
            auto* peer = r.extensions().ingress().get<net::peer_endpoint>();
            co_return http::text(peer ? net::to_string(peer->value) : "nobody");
        };
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(http::serve(net.host("shop.test").listen(80), hello));
            http::client client{net.host("laptop").connector()};
            const auto begun = time.now();
            http::response r = co_await client.get("http://shop.test/").send();
            // Two ways for the connection, two for the exchange.
            CHECK(time.now() - begun == 160ms);
            const std::string text = co_await r.body().text();
            CHECK(text == net.host("laptop").address() + ":49152");
            http::response again = co_await client.get("http://SHOP.test/").send();
            const std::string second = co_await again.body().text();
            CHECK(second == text);
            CHECK(time.now() - begun == 240ms);
            co_await client.close();
        });
        CHECK(net.connections() == 0);
    });
}

TEST_CASE("a server on a network drains as one on TCP does") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        auto slow = [](http::request) -> awaitable<http::response> {
            co_await sleep_for(3s);
            co_return http::text("late");
        };
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            auto server = when_any(http::serve(net.host("b").listen(80), slow), sleep_for(1s));
            s.spawn([&]() -> awaitable<void> { co_await std::move(server); });
            http::client client{net.host("a").connector()};
            http::response r = co_await client.get("http://b/").send();
            CHECK(r.header("Connection") == "close");
            auto refused = co_await attempt(client.get("http://b/").send());
            REQUIRE(!refused);
            CHECK(refused.error().kind() == failure_kind::unavailable);
            CHECK(refused.error().code() == asio::error::connection_refused);
            CHECK(refused.error().delivered() == delivery::not_sent);
        });
    });
}

TEST_CASE("the log tells what happened, and when") {
    std::string log;
    testing::run([&]() -> awaitable<void> {
        world w = co_await connected({.latency = 10ms}, {.latency = 20ms});
        co_await w.client.write(bytes(std::string("ping")));
        w.client.close();
        std::string got = co_await read_all(w.server);
        CHECK(got == "ping");
        w.server.close();
        log = w.net.log();
    });
    CHECK(log ==
          "0.000000000 - b:80 listens\n"
          "0.000000000 - a > b:80 connect\n"
          "0.030000000 #1 a:49152 > b:80 established\n"
          "0.040000000 #1 b:80 > a:49152 accepted\n"
          "0.040000000 #1 a:49152 > b:80 4 bytes sent\n"
          "0.040000000 #1 a:49152 > b:80 end sent\n"
          "0.050000000 #1 a:49152 > b:80 4 bytes arrive\n"
          "0.050000000 #1 a:49152 > b:80 4 bytes read\n"
          "0.050000000 #1 a:49152 > b:80 end arrives\n"
          "0.050000000 #1 b:80 > a:49152 end sent\n");
}

namespace {

/// Many clients and a server over a bad link; the log.
std::string storm(std::uint64_t seed, bool shuffle) {
    std::string log;
    testing::run(
        [&]() -> awaitable<void> {
            testing::network net(co_await asio::this_coro::executor);
            net.set_default_link({.latency = 5ms,
                                  .jitter = 20ms,
                                  .bandwidth = 1'000'000,
                                  .max_read = 3000,
                                  .max_write = 5000});
            auto echo = [](http::request r) -> awaitable<http::response> {
                std::string text = co_await r.body().text();
                co_return http::text(text);
            };
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn(http::serve(net.host("server").listen(80), echo));
                event done;
                int left = 10;
                for (int i = 0; i < 10; ++i)
                    s.spawn([&, i]() -> awaitable<void> {
                        http::client client{net.host("c" + std::to_string(i)).connector()};
                        for (int n = 0; n < 3; ++n) {
                            http::response r =
                                co_await client.post("http://server/")
                                    .body(std::string(static_cast<std::size_t>(1000 * i), 'x'))
                                    .send();
                            std::string text = co_await r.body().text();
                            CHECK(text.size() == static_cast<std::size_t>(1000 * i));
                        }
                        if (--left == 0) done.set();
                    });
                co_await done.wait();
            });
            log = net.log();
        },
        {.seed = seed, .shuffle = shuffle});
    return log;
}

}  // namespace

TEST_CASE("one seed is one log, byte for byte, and another seed another") {
    for (const bool shuffle : {false, true}) {
        const std::string first = storm(1, shuffle);
        CHECK(first.size() > 10'000);
        CHECK(storm(1, shuffle) == first);
        CHECK(storm(2, shuffle) != first);
    }
}

TEST_CASE("a network that goes first leaves its streams working") {
    testing::run([]() -> awaitable<void> {
        std::optional<world> w(co_await connected({.latency = 10ms}, {}));
        io::stream client = std::move(w->client);
        io::stream server = std::move(w->server);
        w.reset();
        co_await client.write(bytes(std::string("still")));
        client.close();
        std::string got = co_await read_all(server);
        CHECK(got == "still");
    });
}

TEST_CASE("a cancelled connect leaves nothing, and the server hears of none") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        net.set_links("a", "b", {.latency = 100ms});
        testing::network_listener listener = net.host("b").listen(80);
        for (const auto limit : {50ms, 150ms}) {
            auto r = co_await attempt(with_deadline(
                limit, net.host("a").connector().serve(net::connect_request("b", 80))));
            CHECK(!r);
        }
        auto none = co_await attempt(with_deadline(10s, listener.accept()));
        CHECK(!none);
        CHECK(net.connections() == 0);
    });
}

TEST_CASE("a listener that is full answers nobody, until there is room") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        testing::network_listener listener = net.host("b").listen(80, 2);
        auto connect = net.host("a").connector();
        io::stream first = co_await connect.serve(net::connect_request("b", 80));
        io::stream second = co_await connect.serve(net::connect_request("b", 80));
        auto third =
            co_await attempt(with_deadline(500ms, connect.serve(net::connect_request("b", 80))));
        CHECK(!third);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await sleep_for(2s);
                io::stream taken = co_await listener.accept();
            });
            auto& time = context_info::of(co_await asio::this_coro::executor).clock();
            const auto begun = time.now();
            io::stream fourth = co_await connect.serve(net::connect_request("b", 80));
            CHECK(time.now() - begun == 3s);  // asked at 0, 1 and 3 s
        });
    });
}

TEST_CASE("a connection that breaks before the listener has it leaves its place to another") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        net.set_links("a", "b", {.latency = 10ms});
        testing::network_listener listener = net.host("b").listen(80, 1);
        auto connect = net.host("a").connector();
        io::stream broken = co_await connect.serve(net::connect_request("b", 80));
        net.reset_connections("a", "b");
        auto next =
            co_await attempt(with_deadline(500ms, connect.serve(net::connect_request("b", 80))));
        CHECK(next);
    });
}

TEST_CASE("a closed listener refuses, and what stood still comes out of it") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        testing::network_listener listener = net.host("b").listen(80);
        auto connect = net.host("a").connector();
        io::stream stands = co_await connect.serve(net::connect_request("b", 80));
        listener.close();
        io::stream out = co_await listener.accept();
        CHECK(out);
        io::stream end = co_await listener.accept();
        CHECK(!end);
        auto late = co_await attempt(connect.serve(net::connect_request("b", 80)));
        REQUIRE(!late);
        CHECK(late.error().code() == asio::error::connection_refused);
        testing::network_listener other = net.host("b").listen(80);
        auto taken = co_await attempt([&]() -> awaitable<void> {
            testing::network_listener third = net.host("b").listen(80);
            co_return;
        }());
        REQUIRE(!taken);
        CHECK(taken.error().code() == asio::error::address_in_use);
    });
}

TEST_CASE("what a listener dropped is reset for the client") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        std::optional<testing::network_listener> listener(net.host("b").listen(80));
        io::stream client = co_await net.host("a").connector().serve(net::connect_request("b", 80));
        listener.reset();
        auto r = co_await attempt(read_all(client));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
    });
}

TEST_CASE("the ports that a host gives out come round again") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        std::uint16_t lowest = 65535;
        std::uint16_t highest = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::uint16_t port = net.host("b").listen(0).local_endpoint().port();
            lowest = std::min(lowest, port);
            highest = std::max(highest, port);
        }
        CHECK(lowest == 49152);
        CHECK(highest == 65535);
    });
}
