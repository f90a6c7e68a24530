// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// TLS over io::duplex: client and server on one core, so a figure is the processor time of both.

#include <weft/io/duplex.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/run.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>
#include <weft/tls/info.hpp>

#include <benchmark/benchmark.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace io = weft::io;
namespace tls = weft::tls;
using weft::awaitable;

struct configs {
    explicit configs(std::size_t sessions) {
        const tls::development_ca ca;
        tls::client_options c;
        c.roots = {ca.root()};
        c.session_cache = sessions;
        client = std::make_unique<tls::client_config>(c);
        server = std::make_unique<tls::server_config>(ca.server({"shop.test"}));
    }
    std::unique_ptr<tls::client_config> client;
    std::unique_ptr<tls::server_config> server;
};

struct pair {
    io::stream client;
    io::stream server;
};

awaitable<pair> shake(const configs& c) {
    auto executor = co_await asio::this_coro::executor;
    auto [near, far] = io::duplex(executor);
    auto both = co_await weft::when_all(
        tls::handshake(std::move(near), *c.client, tls::target{"shop.test", 443}),
        tls::accept(std::move(far), *c.server));
    co_return pair{std::move(std::get<0>(both)), std::move(std::get<1>(both))};
}

awaitable<void> round_trip(pair& p, std::array<char, 64>& memory) {
    co_await p.client.write(asio::buffer(memory));
    std::size_t n = co_await p.server.read(asio::buffer(memory));
    co_await p.server.write(asio::buffer(memory.data(), n));
    n = co_await p.client.read(asio::buffer(memory));
    if (n != memory.size()) throw std::runtime_error("a round trip came short");
}

/// Keys of P-256, no client certificate; each handshake is followed by 64 bytes both ways.
void handshakes(benchmark::State& state, bool resumed) {
    const configs c(resumed ? 16 : 0);
    weft::run([&]() -> awaitable<void> {
        std::array<char, 64> memory{};
        {
            pair first = co_await shake(c);
            co_await round_trip(first, memory);
        }
        for (auto _ : state) {
            pair p = co_await shake(c);
            if (p.client.extensions().get<tls::info>()->resumed != resumed)
                state.SkipWithError("resumed or not");
            co_await round_trip(p, memory);
        }
    });
}
void tls_full_handshake(benchmark::State& state) { handshakes(state, false); }
void tls_resumed_handshake(benchmark::State& state) { handshakes(state, true); }

awaitable<void> send_all(io::stream& to, std::string data) {
    co_await to.write(asio::buffer(data));
}

awaitable<void> receive(io::stream& from, std::size_t left) {
    std::vector<char> memory(64 * 1024);
    while (left > 0) {
        const std::size_t n = co_await from.read(asio::buffer(memory));
        if (n == 0) throw std::runtime_error("a transfer came short");
        left -= n;
    }
}

/// With TLS, and the same without it.
void transfers(benchmark::State& state, bool secure) {
    const configs c(0);
    weft::run([&]() -> awaitable<void> {
        const std::string data(1 << 20, 'd');
        pair p;
        if (secure) {
            p = co_await shake(c);
        } else {
            auto executor = co_await asio::this_coro::executor;
            std::tie(p.client, p.server) = io::duplex(executor);
        }
        for (auto _ : state)
            co_await weft::when_all(send_all(p.server, data), receive(p.client, data.size()));
    });
    state.SetBytesProcessed(state.iterations() * (1 << 20));
}
void tls_transfer_1_mib(benchmark::State& state) { transfers(state, true); }
void plain_transfer_1_mib(benchmark::State& state) { transfers(state, false); }

void tls_small_round_trip(benchmark::State& state) {
    const configs c(0);
    weft::run([&]() -> awaitable<void> {
        pair p = co_await shake(c);
        std::array<char, 64> memory{};
        for (auto _ : state) co_await round_trip(p, memory);
    });
}

}  // namespace

BENCHMARK(tls_full_handshake)->Unit(benchmark::kMicrosecond);
BENCHMARK(tls_resumed_handshake)->Unit(benchmark::kMicrosecond);
BENCHMARK(tls_transfer_1_mib)->Unit(benchmark::kMicrosecond);
BENCHMARK(plain_transfer_1_mib)->Unit(benchmark::kMicrosecond);
BENCHMARK(tls_small_round_trip)->Unit(benchmark::kMicrosecond);
