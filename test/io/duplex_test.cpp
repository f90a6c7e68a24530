// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/io/duplex.hpp>
#include <weft/io/prefixed.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <thread>

using namespace weft;
namespace asio = boost::asio;
using io::error_code;

TEST_CASE("a reset takes back what was not read") {
    asio::io_context ctx;
    auto [a, b] = io::duplex(ctx.get_executor());
    error_code ec;
    CHECK(a.try_write(asio::buffer("abc", 3), ec) == 3);
    a.abort();
    std::array<char, 8> memory;
    CHECK(b.try_read(asio::buffer(memory), ec) == 0);
    CHECK(ec == asio::error::connection_reset);
    CHECK(b.try_write(asio::buffer("x", 1), ec) == 0);
    CHECK(ec == asio::error::connection_reset);
}

TEST_CASE("closing with everything read is no reset") {
    asio::io_context ctx;
    auto [a, b] = io::duplex(ctx.get_executor());
    error_code ec;
    std::array<char, 8> memory;
    CHECK(a.try_write(asio::buffer("abc", 3), ec) == 3);
    CHECK(b.try_read(asio::buffer(memory), ec) == 3);
    b = io::stream();
    CHECK(a.try_read(asio::buffer(memory), ec) == 0);
    CHECK(ec == asio::error::eof);
    CHECK(a.try_write(asio::buffer("x", 1), ec) == 0);
    CHECK(ec == asio::error::broken_pipe);
}

TEST_CASE("a duplex holds exactly its capacity") {
    asio::io_context ctx;
    for (std::size_t capacity : {1u, 2u, 3u, 1000u, 2048u, 5000u, 65536u}) {
        auto [a, b] = io::duplex(ctx.get_executor(), capacity);
        const std::string block(100000, 'x');
        error_code ec;
        std::size_t sum = 0;
        while (!ec) sum += a.try_write(asio::buffer(block.data(), 777), ec);
        CHECK(ec == asio::error::would_block);
        CHECK(sum == capacity);
    }
}

TEST_CASE("the ring wraps and grows without losing order") {
    asio::io_context ctx;
    auto [a, b] = io::duplex(ctx.get_executor(), 10000);
    unsigned out = 0;
    unsigned in = 0;
    std::array<unsigned char, 997> memory;
    for (int i = 0; i < 3000; ++i) {
        std::array<unsigned char, 613> piece;
        for (std::size_t k = 0; k < piece.size(); ++k)
            piece[k] = static_cast<unsigned char>(out + k);
        error_code ec;
        out += static_cast<unsigned>(a.try_write(asio::buffer(piece.data(), 1 + i % 613), ec));
        if (i % 3 == 0 || ec) {
            const std::size_t n = b.try_read(asio::buffer(memory.data(), 1 + (i * 7) % 997), ec);
            for (std::size_t k = 0; k < n; ++k)
                REQUIRE(memory[k] == static_cast<unsigned char>(in + k));
            in += static_cast<unsigned>(n);
        }
    }
    CHECK(in > 100000);
}

TEST_CASE("the ends of a duplex live on different threads") {
    asio::thread_pool pool(4);
    constexpr std::size_t total = 8 * 1024 * 1024;
    auto sender = [](io::stream s) -> awaitable<std::size_t> {
        std::string block(30000, 's');
        for (std::size_t sent = 0; sent < total;) {
            const std::size_t n = std::min(block.size(), total - sent);
            co_await s.write(asio::buffer(block.data(), n));
            sent += n;
        }
        co_await s.shutdown_send();
        std::size_t got = 0;
        while (std::size_t n = co_await s.read(asio::buffer(block))) got += n;
        co_return got;
    };
    auto echo = [](io::stream s) -> awaitable<std::size_t> {
        std::string block(20000, 'e');
        std::size_t sum = 0;
        while (std::size_t n = co_await s.read(asio::buffer(block))) sum += n;
        co_await s.write(bytes(std::string(5000, 'q')));
        co_return sum;
    };
    std::vector<std::pair<std::future<std::size_t>, std::future<std::size_t>>> all;
    for (int i = 0; i < 8; ++i) {
        asio::any_io_executor first = asio::make_strand(pool);
        asio::any_io_executor second = asio::make_strand(pool);
        auto [a, b] = io::duplex(first, second, 1 + 5000 * static_cast<std::size_t>(i));
        if (i == 0) continue;  // both destroyed at once, unused
        auto sent = asio::co_spawn(first, sender(std::move(a)), asio::use_future);
        auto echoed = asio::co_spawn(second, echo(std::move(b)), asio::use_future);
        all.emplace_back(std::move(sent), std::move(echoed));
    }
    for (auto& [sent, echoed] : all) {
        CHECK(echoed.get() == total);
        CHECK(sent.get() == 5000);
    }
    pool.join();
}

TEST_CASE("ends abort, close and cancel against each other from two threads") {
    for (int round = 0; round < 2000; ++round) {
        asio::io_context left(1);
        asio::io_context right(1);
        auto [a, b] = io::duplex(left.get_executor(), right.get_executor(), 16);
        std::array<char, 8> into_a;
        std::array<char, 8> into_b;
        int calls = 0;
        std::atomic<int> others = 0;
        a.async_read_some(asio::buffer(into_a), [&](error_code, std::size_t) { ++calls; });
        a.async_write_some(asio::buffer("0123456789", 10),
                           [&](error_code, std::size_t) { ++calls; });
        b.async_read_some(asio::buffer(into_b), [&](error_code, std::size_t) { ++others; });
        asio::post(left, [&, round] {
            if (round % 3 == 0) a.abort();
            a = io::stream();
        });
        asio::post(right, [&, round] {
            if (round % 2 == 0) b.abort();
            b = io::stream();
        });
        std::thread other([&] { right.run(); });
        left.run();
        other.join();
        REQUIRE(calls == 2);
        REQUIRE(others == 1);
    }
}

TEST_CASE("a prefix comes first and then the rest") {
    asio::io_context ctx;
    auto [a, b] = io::duplex(ctx.get_executor());
    io::stream p = io::prefixed(bytes(std::string("read too far")), std::move(a));
    error_code ec;
    CHECK(b.try_write(asio::buffer("rest", 4), ec) == 4);
    CHECK(p.native_socket() == -1);
    std::array<char, 5> memory;
    std::string got;
    for (int i = 0; i < 10 && got.size() < 16; ++i) {
        const std::size_t n = p.try_read(asio::buffer(memory), ec);
        got.append(memory.data(), n);
    }
    CHECK(got == "read too farrest");
    CHECK(p.try_read(asio::buffer(memory), ec) == 0);
    CHECK(ec == asio::error::would_block);
}

TEST_CASE("a prefix that nobody reads is unread input") {
    asio::io_context ctx;
    auto [a, b] = io::duplex(ctx.get_executor());
    io::stream p = io::prefixed(bytes(std::string("x")), std::move(a));
    p = io::stream();
    std::array<char, 5> memory;
    error_code ec;
    CHECK(b.try_read(asio::buffer(memory), ec) == 0);
    CHECK(ec == asio::error::connection_reset);
}
