// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/testing/connection_suite.hpp>
#include <weft/io/duplex.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/network.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

void check_all(const testing::connection_suite& suite) {
    for (const testing::connection_law& law : testing::connection_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

/// A network of two hosts, and the way to cut what is between them.
testing::connection_factory over_network(testing::link_conditions link) {
    return [link](testing::connection_setup setup) -> awaitable<testing::connection_pair> {
        auto net = std::make_shared<testing::network>(co_await asio::this_coro::executor);
        net->set_links("a", "b", link);
        testing::network_listener listener = net->host("b").listen(80);
        testing::network_connector connect = net->host("a").connector();
        io::stream near = co_await connect.serve(net::connect_request("b", 80));
        io::stream far = co_await listener.accept();
        http::server server(std::move(setup.app), setup.server);
        setup.scope.spawn(testing::serve_connection(server, std::move(far)));
        http::connection client = co_await http::connect(std::move(near), setup.client);
        testing::connection_pair pair = testing::pair_of(std::move(client), std::move(server));
        pair.cut = [net] { net->reset_connections("a", "b"); };
        co_return pair;
    };
}

awaitable<testing::stream_pair> over_tcp(asio::any_io_executor ex) {
    net::tcp::listener listener(ex, "127.0.0.1:0");
    const net::endpoint at = listener.local_endpoint();
    net::connect_request to(at.address().to_string(), at.port());
    io::stream near = co_await net::tcp::connect.serve(std::move(to));
    io::stream far = co_await listener.accept();
    co_return testing::stream_pair(std::move(near), std::move(far));
}

}  // namespace

TEST_CASE("the laws of an HTTP connection are many, and each has its name") {
    std::set<std::string_view> names;
    for (const testing::connection_law& law : testing::connection_laws()) names.insert(law.name);
    CHECK(names.size() == testing::connection_laws().size());
    CHECK(names.size() >= 70);
    MESSAGE(names.size() << " laws");
}

TEST_CASE("HTTP/1 over a duplex keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(
        testing::connections_over([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            co_return io::duplex(ex);
        })));
}

TEST_CASE("HTTP/1 over a duplex of 100 bytes keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(
        testing::connections_over([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            co_return io::duplex(ex, 100);
        })));
}

TEST_CASE("HTTP/1 over a network keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(over_network({})));
}

TEST_CASE("HTTP/1 over a slow and ragged network keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(over_network(
        {.latency = 200us, .jitter = 300us, .max_read = 20'000, .max_write = 20'000})));
}

TEST_CASE("HTTP/1 over TCP keeps the laws of an HTTP connection") {
    check_all(testing::connection_suite(testing::connections_over(over_tcp), {.real = true}));
}
