// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Two hosts of a testing::network with one connection between them: what most tests of it start
// from.

#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/testing/network.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace network_world {

namespace asio = boost::asio;
using namespace weft;
using namespace std::chrono_literals;

struct world {
    testing::network net;
    testing::network_listener listener;
    io::stream client;  ///< of host "a"
    io::stream server;  ///< of host "b"
};

/// `there` is from the client "a" to the server "b".
inline awaitable<world> connected(testing::link_conditions there, testing::link_conditions back,
                                  testing::network_options options = {}) {
    testing::network net(co_await asio::this_coro::executor, options);
    net.set_link("a", "b", there);
    net.set_link("b", "a", back);
    testing::network_listener listener = net.host("b").listen(80);
    testing::network_connector connect = net.host("a").connector();
    io::stream client = co_await connect.serve(net::connect_request("b", 80));
    io::stream server = co_await listener.accept();
    co_return world{std::move(net), std::move(listener), std::move(client), std::move(server)};
}

/// Until end of file.
inline awaitable<std::string> read_all(io::stream& s) {
    std::string text;
    std::array<char, 4096> memory;
    while (const std::size_t n = co_await s.read(asio::buffer(memory)))
        text.append(memory.data(), n);
    co_return text;
}

}  // namespace network_world
