// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// What a connection costs while nothing happens on it: read from malloc, for OpenSSL's share too.

#include "raw_peer.hpp"
#include <weft/net/tcp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <string>
#include <vector>

#include <malloc.h>

using namespace tls_test;

namespace {

std::size_t in_use() { return mallinfo2().uordblks; }

struct sides {
    std::size_t client;
    std::size_t server;
};

/// One thread runs the context, and nothing stays armed.
void make_serial(asio::io_context& context) {
    context_info::of(context).set_serial(true);
    context_info::of(context).deadlines().release_timer();
}

/// Keeps a stream and lets a read wait on it: an idle connection.
void keep(std::vector<io::stream>& all, io::stream stream, std::array<char, 16>& memory) {
    all.push_back(std::move(stream));
    all.back().async_read_some(asio::buffer(memory), [](io::error_code, std::size_t) {});
}

/// Bytes that one idle connection has on each side, a read waiting there. Over TCP, so that nothing
/// but the connection is in this process's memory; the sides have a context each, so that the end
/// of one is not seen by the other.
sides idle_cost(tls::version v) {
    constexpr std::size_t count = 64;
    std::array<char, 16> memory;
    std::vector<io::stream> clients;
    std::vector<io::stream> servers;
    clients.reserve(count);
    servers.reserve(count);
    asio::io_context there(1);
    asio::io_context here(1);
    make_serial(there);
    make_serial(here);
    tls::client_options c = client_options();
    c.max_version = v;
    c.session_cache = 0;
    c.alpn = {"h2"};
    tls::server_options s = server_options();
    s.alpn = {"h2"};
    const tls::client_config client(c);
    const tls::server_config server(s);
    net::tcp::listener listener(there.get_executor(), "127.0.0.1:0");
    const std::uint16_t port = listener.local_endpoint().port();
    auto call = [&]() -> awaitable<void> {
        net::connect_request to("127.0.0.1", port);
        io::stream raw = co_await net::tcp::connect.serve(std::move(to));
        io::stream stream = co_await tls::handshake(std::move(raw), client, shop_target);
        co_await stream.write(bytes::literal("ping"));
        CHECK(co_await read_text(stream, 4) == "pong");
        keep(clients, std::move(stream), memory);
    };
    auto answer = [&]() -> awaitable<void> {
        io::stream raw = co_await listener.accept();
        io::stream stream = co_await tls::accept(std::move(raw), server);
        CHECK(co_await read_text(stream, 4) == "ping");
        co_await stream.write(bytes::literal("pong"));
        keep(servers, std::move(stream), memory);
    };
    const auto rethrow = [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
    };
    for (std::size_t i = 0; i < count; ++i) {
        asio::co_spawn(here, call, rethrow);
        asio::co_spawn(there, answer, rethrow);
        while (clients.size() + servers.size() < 2 * (i + 1)) {
            here.poll();
            there.poll();
        }
    }
    here.poll();
    there.poll();
    const auto end = [](asio::io_context& context, std::vector<io::stream>& streams) {
        const std::size_t before = in_use();
        for (io::stream& stream : streams) stream.close();
        while (context.poll() > 0) continue;
        return (before - in_use()) / count;
    };
    sides cost{};
    cost.client = end(here, clients);
    cost.server = end(there, servers);
    return cost;
}

}  // namespace

TEST_CASE("an idle TLS connection needs less than 24 KiB, on either side, or 28 by its OpenSSL") {
    if (!counted) return;
    // OpenSSL 3.2 and later: a smaller session, and two record layers of 4.4 KB beside it.
    const long most = (OpenSSL_version_num() >= 0x30200000L ? 28 : 24) * 1024;
    for (const auto v : {tls::version::tls_1_2, tls::version::tls_1_3}) {
        idle_cost(v);  // what is allocated once
        const sides cost = idle_cost(v);
        MESSAGE(tls::to_string(v), ": ", cost.client, " bytes a client, ", cost.server,
                " a server");
        CHECK(cost.client < most);
        CHECK(cost.client > 1024);
        CHECK(cost.server < most);
        CHECK(cost.server > 1024);
    }
}

TEST_CASE("what a client says in its ClientHello is not held for the life of its connection") {
    if (!counted) return;
    asio::io_context context(1);
    make_serial(context);
    tls::server_options o = server_options();
    o.alpn = {"h2"};
    const tls::server_config server(o);
    net::tcp::listener listener(context.get_executor(), "127.0.0.1:0");
    const std::uint16_t port = listener.local_endpoint().port();
    io::stream near;
    raw_peer peer;
    std::string alpn("\x02h2", 3);
    while (alpn.size() < 14'000) alpn += std::string_view("\x01x", 2);
    REQUIRE(SSL_set_alpn_protos(peer.ssl(), reinterpret_cast<const unsigned char*>(alpn.data()),
                                static_cast<unsigned>(alpn.size())) == 0);
    io::stream inside;
    auto call = [&]() -> awaitable<void> {
        net::connect_request to("127.0.0.1", port);
        near = co_await net::tcp::connect.serve(std::move(to));
        co_await peer.handshake(near);
    };
    auto answer = [&]() -> awaitable<void> {
        io::stream far = co_await listener.accept();
        inside = co_await tls::accept(std::move(far), server);
        co_await inside.write(bytes::literal("tickets go with it"));
    };
    const auto rethrow = [](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
    };
    asio::co_spawn(context, answer, rethrow);
    asio::co_spawn(context, call, rethrow);
    while (!inside || !SSL_is_init_finished(peer.ssl())) context.poll();
    CHECK(info_of(inside).alpn == "h2");
    std::array<char, 8192> memory;
    io::error_code ec;
    while (near.try_read(asio::buffer(memory), ec) > 0) continue;
    const std::size_t before = in_use();
    inside.close();
    context.poll();
    const std::size_t held = before - in_use();
    MESSAGE(held, " bytes");
    CHECK(held < 34 * 1024);  // of it what OpenSSL keeps: the offer of ALPN
}
