// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// A stream belongs to its executor: whoever awaits a handshake, it is made there.

#include "ends.hpp"
#include <weft/net/serve.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/tls/client_hello.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <thread>
#include <vector>

using namespace tls_test;
using namespace std::literals;

TEST_CASE(
    "a handshake is made on the executor of its stream, and gives its result on the caller's") {
    testing::run([]() -> awaitable<void> {
        const asio::any_io_executor here = co_await asio::this_coro::executor;
        const asio::any_io_executor there = asio::make_strand(here);
        auto [near, far] = io::duplex(there);
        asio::any_io_executor seen;
        tls::server_options o = server_options();
        o.certificates = [&seen](tls::client_hello) -> awaitable<tls::identity> {
            seen = co_await asio::this_coro::executor;
            co_return tls::identity();
        };
        auto accepting = [&]() -> awaitable<io::stream> {
            tls::peeked_stream peeked = co_await tls::peek_client_hello(std::move(far));
            CHECK(peeked.hello.has_value());
            CHECK(co_await asio::this_coro::executor == here);
            io::stream s = co_await tls::accept(std::move(peeked.stream), tls::server_config(o));
            CHECK(co_await asio::this_coro::executor == here);
            co_return s;
        };
        tls::client_config client(client_options());
        auto both =
            co_await when_all(tls::handshake(std::move(near), client, shop_target), accepting());
        CHECK(seen == there);
        co_await exchange_words(std::get<0>(both), std::get<1>(both));
    });
}

TEST_CASE("a server and its clients shake hands on a pool of threads") {
    asio::thread_pool pool(4);
    auto echo = [](io::stream s) -> awaitable<void> {
        const std::string text = co_await read_text(s, 4);
        co_await s.write(bytes(text));
        co_await s.shutdown_send();
    };
    std::promise<std::uint16_t> listening;
    net::serve_options options;
    options.drain = 5s;
    options.on_listening = [&](const net::any_endpoint& e) { listening.set_value(e.ip().port()); };
    options.on_failure = [](const failure&) {};  // clients that went away
    tls::server_options o = server_options();
    o.handshake_timeout = 2s;
    asio::cancellation_signal stop;
    asio::any_io_executor stopping = asio::make_strand(pool);
    auto served = asio::co_spawn(
        stopping, net::serve("127.0.0.1:0", tls::acceptor(tls::server_config(o)) >> echo, options),
        asio::bind_cancellation_slot(stop.slot(), asio::use_future));
    const std::uint16_t port = listening.get_future().get();
    const tls::client_config client(client_options());
    const auto connect = tls::connect(client) >> net::tcp::connector();

    // On the bare pool: the streams have strands that are not the caller's.
    auto visit = [&]() -> awaitable<bool> {
        net::connect_request to("127.0.0.1", port);
        io::stream s = co_await connect.serve(std::move(to));
        co_await s.write(bytes::literal("ping"));
        const std::string heard = co_await read_text(s, 4);
        co_return heard == "ping";
    };
    // Connects, and goes away in the midst of the handshake.
    auto leave = [&]() -> awaitable<bool> {
        net::connect_request to("127.0.0.1", port);
        auto ended = co_await attempt(with_deadline(1ms, connect.serve(std::move(to))));
        co_return !ended || static_cast<bool>(*ended);
    };
    std::vector<std::future<bool>> all;
    for (int i = 0; i < 64; ++i) {
        all.push_back(asio::co_spawn(pool, visit(), asio::use_future));
        all.push_back(asio::co_spawn(pool, leave(), asio::use_future));
    }
    for (auto& one : all) CHECK(one.get());
    asio::post(stopping, [&] { stop.emit(asio::cancellation_type::terminal); });
    served.get();
    pool.join();
}
