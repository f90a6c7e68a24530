// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a connection costs while nothing happens on it: read from malloc, for OpenSSL's share too.

#include "ends.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <vector>

#include <malloc.h>

using namespace tls_test;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool counted = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool counted = false;
#else
constexpr bool counted = true;
#endif
#else
constexpr bool counted = true;
#endif

std::size_t in_use() { return mallinfo2().uordblks; }

struct sides {
    std::size_t client;
    std::size_t server;
};

/// Bytes that one idle connection has on each side, a read waiting there.
sides idle_cost(tls::version v) {
    constexpr std::size_t count = 64;
    asio::io_context context(1);
    tls::client_options c = client_options();
    c.max_version = v;
    c.session_cache = 0;
    c.alpn = {"h2"};
    tls::server_options s = server_options();
    s.alpn = {"h2"};
    const tls::client_config client(c);
    const tls::server_config server(s);
    std::vector<io::stream> clients;
    std::vector<io::stream> servers;
    std::array<char, 16> memory;
    for (std::size_t i = 0; i < count; ++i) {
        bool done = false;
        asio::co_spawn(
            context,
            [&]() -> awaitable<void> {
                ends e = co_await shake(client, server);
                co_await exchange_words(*e.client, *e.server);
                clients.push_back(std::move(e.client).value());
                servers.push_back(std::move(e.server).value());
            },
            [&done](std::exception_ptr e) {
                done = true;
                REQUIRE(!e);
            });
        while (!done) context.run_one();
        for (io::stream* stream : {&clients.back(), &servers.back()})
            stream->async_read_some(asio::buffer(memory), [](io::error_code, std::size_t) {});
        context.restart();
        context.poll();
    }
    sides cost{};
    const std::size_t all = in_use();
    for (io::stream& stream : clients) stream.abort();
    clients.clear();
    context.restart();
    context.poll();
    const std::size_t half = in_use();
    cost.client = (all - half) / count;
    servers.clear();
    context.restart();
    context.poll();
    cost.server = (half - in_use()) / count;
    return cost;
}

}  // namespace

TEST_CASE("an idle TLS connection needs less than 24 KiB") {
    if (!counted) return;
    for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
        idle_cost(v);  // what is allocated once
        const sides cost = idle_cost(v);
        MESSAGE(tls::to_string(v), ": ", cost.client, " bytes a client, ", cost.server,
                " a server, half of the duplex below included");
        CHECK(cost.client < 24 * 1024);
        CHECK(cost.server < 24 * 1024);
        CHECK(cost.server > 1024);
    }
}
