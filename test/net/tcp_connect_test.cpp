// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

static_assert(service<net::tcp::connector, net::connect_request>);

TEST_CASE("a name is resolved and connected to") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        net::tcp::listener listener(ex, "127.0.0.1:0");
        net::connector connect = net::tcp::connect;
        net::connect_request to("localhost", listener.local_endpoint().port());
        io::stream client = co_await connect.serve(std::move(to));
        io::stream server = co_await listener.accept();
        co_await client.write(bytes::literal("hello"));
        std::array<char, 8> memory;
        const std::size_t n = co_await server.read(asio::buffer(memory));
        CHECK(n == 5);
    });
}

TEST_CASE("a refused connection is unavailable, not sent, and names host, port and address") {
    testing::run_real([]() -> awaitable<void> {
        std::uint16_t port = 0;
        {
            net::tcp::listener gone(co_await asio::this_coro::executor, "127.0.0.1:0");
            port = gone.local_endpoint().port();
        }
        net::connect_request to("127.0.0.1", port);
        auto r = co_await attempt(net::tcp::connect.serve(std::move(to)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().domain() == failure_domain::transport);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(r.error().code() == asio::error::connection_refused);
        CHECK(r.error().context("host") == "127.0.0.1");
        CHECK(r.error().context("port") == std::to_string(port));
        CHECK(r.error().context("address") == "127.0.0.1:" + std::to_string(port));
    });
}

TEST_CASE("a host that does not exist is unavailable and named") {
    testing::run_real([]() -> awaitable<void> {
        net::connect_request to("no such host", 80);
        auto r = co_await attempt(net::tcp::connect.serve(std::move(to)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(r.error().context("host") == "no such host");
    });
}

TEST_CASE("a connect can be cancelled while it waits") {
    testing::run_real([]() -> awaitable<void> {
        // Nobody answers there (RFC 5737), or the network says so at once: either way it ends soon.
        net::connect_request to("192.0.2.1", 9);
        auto r = co_await attempt(with_deadline(20ms, net::tcp::connect.serve(std::move(to))));
        REQUIRE(!r);
        CHECK((r.error().kind() == failure_kind::timeout ||
               r.error().kind() == failure_kind::unavailable));
    });
}

TEST_CASE("an address that does not answer has its own limit") {
    testing::run_real([]() -> awaitable<void> {
        const net::tcp::connector patient({.address_timeout = 20ms});
        net::connect_request to("192.0.2.1", 9);
        auto r = co_await attempt(patient.serve(std::move(to)));
        REQUIRE(!r);
        CHECK((r.error().kind() == failure_kind::timeout ||
               r.error().kind() == failure_kind::unavailable));
        CHECK(r.error().context("address") == "192.0.2.1:9");
        CHECK(r.error().delivered() == delivery::not_sent);
    });
}

TEST_CASE("a context that ends while a name is looked up waits for nobody") {
    auto alive = std::make_shared<int>(0);
    {
        asio::io_context ctx(1);
        asio::co_spawn(
            ctx,
            [](std::shared_ptr<int>) -> awaitable<void> {
                net::connect_request to("localhost", 1);
                io::stream s = co_await net::tcp::connect.serve(std::move(to));
            }(alive),
            [alive](std::exception_ptr) {});
        ctx.poll_one();
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("a replayed connect request forks its extensions") {
    net::connect_request to("example.org", 443);
    to.scheme = "https";
    to.extensions().insert(std::string("fact"));
    auto again = to.replay();
    REQUIRE(again);
    CHECK(again->host == "example.org");
    CHECK(again->port == 443);
    CHECK(again->scheme == "https");
    REQUIRE(again->extensions().get<std::string>());
    again->extensions().insert(7);
    CHECK(to.extensions().get<int>() == nullptr);
}
