// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/io/throttle.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>
#include <weft/testing/stream_suite.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using ms = std::chrono::milliseconds;

awaitable<clock::time_point> now() {
    co_return context_info::of(co_await asio::this_coro::executor).clock().now();
}

awaitable<std::size_t> read_all(io::stream& s) {
    std::vector<char> memory(256 * 1024);
    std::size_t sum = 0;
    while (const std::size_t n = co_await s.read(asio::buffer(memory))) sum += n;
    co_return sum;
}

awaitable<void> write_and_end(io::stream& s, std::size_t n) {
    co_await s.write(bytes(std::string(n, 'x')));
    co_await s.shutdown_send();
}

/// How long `n` bytes take through the pair.
awaitable<ms> time_of(io::stream& from, io::stream& to, std::size_t n) {
    const auto begun = co_await now();
    auto [nothing, read] = co_await when_all(write_and_end(from, n), read_all(to));
    CHECK(read == n);
    co_return std::chrono::duration_cast<ms>(co_await now() - begun);
}

}  // namespace

TEST_CASE("a throttled stream keeps the laws of a stream") {
    for (const bool shared : {false, true}) {
        testing::stream_suite suite(
            [shared](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
                auto [a, b] = io::duplex(ex);
                io::throttle_options options;
                options.read_rate = options.write_rate = 100'000'000'000;
                if (shared)
                    options.shared_read = options.shared_write = io::bandwidth(50'000'000'000);
                co_return testing::stream_pair(io::throttle(std::move(a), options),
                                               io::throttle(std::move(b), options));
            });
        for (const testing::stream_law& law : testing::stream_laws()) {
            INFO(law.name);
            CHECK(suite.check(law) == "");
        }
    }
}

TEST_CASE("a stream that waits for its turn again and again keeps the laws of a stream") {
    // So little at once that nearly every operation waits, and so fast that no test does.
    testing::stream_suite suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        auto [a, b] = io::duplex(ex, 4096);
        const io::throttle_options options{
            .read_rate = 20'000'000, .write_rate = 20'000'000, .burst = 1000};
        co_return testing::stream_pair(io::throttle(std::move(a), options),
                                       io::throttle(std::move(b), options));
    });
    for (const testing::stream_law& law : testing::stream_laws()) {
        if (law.name.find("64 MiB") != std::string_view::npos) continue;  // it would take its time
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

TEST_CASE("bytes pass at the rate, after a burst, in each direction by itself") {
    testing::run([]() -> awaitable<void> {
        for (const bool reading : {false, true}) {
            auto [a, b] = io::duplex(co_await asio::this_coro::executor);
            io::throttle_options options{.burst = 10'000};
            (reading ? options.read_rate : options.write_rate) = 100'000;
            io::stream slow = io::throttle(std::move(a), options);
            CHECK(slow.native_socket() == -1);
            // 1,000,000 bytes less the burst at 100,000 a second: 9.9 s.
            const ms took = reading ? co_await time_of(b, slow, 1'000'000)
                                    : co_await time_of(slow, b, 1'000'000);
            CHECK(took >= 9'900ms);
            CHECK(took <= 9'920ms);
            // The other direction has no limit.
            const ms back = reading ? co_await time_of(slow, b, 1'000'000)
                                    : co_await time_of(b, slow, 1'000'000);
            CHECK(back == 0ms);
        }
    });
}

TEST_CASE("at no time have more bytes passed than the rate and the burst allow") {
    testing::run([]() -> awaitable<void> {
        auto [a, b] = io::duplex(co_await asio::this_coro::executor);
        io::stream slow = io::throttle(std::move(a), {.write_rate = 50'000, .burst = 2'000});
        io::stream& peer = b;
        auto reader = [&]() -> awaitable<void> {
            const auto begun = co_await now();
            std::array<char, 4096> memory;
            double sum = 0;
            while (const std::size_t n = co_await peer.read(asio::buffer(memory))) {
                sum += static_cast<double>(n);
                const std::chrono::duration<double> age = co_await now() - begun;
                CHECK(sum <= 50'000 * age.count() + 2'000 + 1);
            }
            CHECK(sum == 200'000);
        };
        co_await when_all(write_and_end(slow, 200'000), reader());
    });
}

TEST_CASE("a shared bandwidth is one for all its streams, and fair") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const io::bandwidth common(100'000, 1'000);
        const auto begun = co_await now();
        std::vector<ms> ends(10);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (ms& end : ends) {
                s.spawn([&end, &common, ex, begun]() -> awaitable<void> {
                    auto [a, b] = io::duplex(ex);
                    io::stream slow = io::throttle(std::move(a), {.shared_write = common});
                    io::stream peer = std::move(b);
                    co_await time_of(slow, peer, 50'000);
                    end = std::chrono::duration_cast<ms>(co_await now() - begun);
                });
            }
            while (s.size() > 0) co_await sleep_for(1s);
        });
        // 500,000 bytes at 100,000 a second; each has its share all the time.
        for (const ms end : ends) {
            CHECK(end >= 4'800ms);
            CHECK(end <= 5'010ms);
        }
    });
}

TEST_CASE("both limits hold where a stream has its own and a shared one") {
    testing::run([]() -> awaitable<void> {
        for (const auto& [own, common] :
             {std::pair{100'000u, 50'000u}, std::pair{50'000u, 100'000u}}) {
            auto [a, b] = io::duplex(co_await asio::this_coro::executor);
            io::throttle_options options{.read_rate = own, .burst = 1'000};
            options.shared_read = io::bandwidth(common, 1'000);
            io::stream slow = io::throttle(std::move(a), options);
            io::stream& peer = b;
            const ms took = co_await time_of(peer, slow, 101'000);
            CHECK(took >= 2'000ms);
            CHECK(took <= 2'020ms);
        }
    });
}

TEST_CASE("a read that is cancelled while its bytes wait for their turn gives them at once") {
    testing::run([]() -> awaitable<void> {
        auto [a, b] = io::duplex(co_await asio::this_coro::executor);
        io::stream slow = io::throttle(std::move(a), {.read_rate = 10, .burst = 10});
        co_await b.write(bytes(std::string(30, 'x')));
        std::array<char, 64> memory;
        std::size_t sum = 0;
        for (int i = 0; i < 10 && sum < 30; ++i) {
            auto r = co_await attempt(with_deadline(20ms, slow.read(asio::buffer(memory))));
            if (r) sum += *r;
        }
        CHECK(sum == 30);
    });
}

TEST_CASE("a write that is cancelled while it waits for its turn closes the write side") {
    testing::run([]() -> awaitable<void> {
        auto [a, b] = io::duplex(co_await asio::this_coro::executor);
        io::stream slow = io::throttle(std::move(a), {.write_rate = 10, .burst = 10});
        io::stream& peer = b;
        co_await slow.write(bytes(std::string(10, 'x')));
        auto r = co_await attempt(with_deadline(20ms, slow.write(bytes(std::string(10, 'y')))));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::timeout);
        const std::size_t n = co_await read_all(peer);
        CHECK(n == 10);
        auto again = co_await attempt(slow.write(bytes(std::string(1, 'z'))));
        REQUIRE(!again);
        CHECK(again.error().code() == asio::error::broken_pipe);
    });
}

TEST_CASE("a throttled stream that is closed with bytes held back resets its peer") {
    testing::run([]() -> awaitable<void> {
        auto [a, b] = io::duplex(co_await asio::this_coro::executor);
        io::stream slow = io::throttle(std::move(a), {.read_rate = 10, .burst = 10});
        io::stream& peer = b;
        co_await peer.write(bytes(std::string(20, 'x')));
        std::array<char, 64> memory;
        co_await slow.read(asio::buffer(memory));
        auto waits = [&]() -> awaitable<void> {
            auto r = co_await attempt(slow.read(asio::buffer(memory)));
            CHECK(!r);
        };
        auto closes = [&]() -> awaitable<void> {
            co_await sleep_for(10ms);
            slow.close();
        };
        co_await when_all(waits(), closes());
        auto r = co_await attempt(peer.read(asio::buffer(memory)));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
    });
}

TEST_CASE("a context that ends while a stream waits for its turn frees what waits") {
    auto alive = std::make_shared<int>(0);
    for (const bool reading : {false, true}) {
        asio::io_context ctx(1);
        asio::co_spawn(
            ctx,
            [](std::shared_ptr<int>, bool reads) -> awaitable<void> {
                auto [a, b] = io::duplex(co_await asio::this_coro::executor);
                io::stream slow =
                    io::throttle(std::move(a), {.read_rate = 1, .write_rate = 1, .burst = 1});
                co_await b.write(bytes::literal("xyz"));
                std::array<char, 3> memory;
                for (;;) {
                    if (reads)
                        co_await slow.read(asio::buffer(memory));
                    else
                        co_await slow.write(bytes::literal("xyz"));
                }
            }(alive, reading),
            [alive](std::exception_ptr) {});
        ctx.poll();
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("acquire is exact, first come first served, and gives back when it is cancelled") {
    testing::run([]() -> awaitable<void> {
        io::bandwidth b(1'000, 100);
        const auto begun = co_await now();
        const auto age = [begun]() -> awaitable<ms> {
            co_return std::chrono::duration_cast<ms>(co_await now() - begun);
        };
        co_await b.acquire(100);
        CHECK(co_await age() == 0ms);
        co_await b.acquire(50);
        CHECK(co_await age() == 50ms);
        auto r = co_await attempt(with_deadline(20ms, b.acquire(10'000)));
        CHECK(!r);
        co_await b.acquire(50);
        CHECK(co_await age() == 100ms);
        b.set_rate(100);
        co_await b.acquire(10);
        CHECK(co_await age() == 200ms);
        b.set_rate(0);
        co_await b.acquire(1'000'000);
        CHECK(co_await age() == 200ms);
        CHECK(io::bandwidth(5'000).burst() == 500);
    });
}
