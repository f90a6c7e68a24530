// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/io/forward.hpp>
#include <weft/io/throttle.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>
#include <weft/testing/stream_suite.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using io::forward_end;
using io::forward_outcome;
using io::forward_side;

namespace {

struct ends {
    io::stream client;  // talks to a
    io::stream server;  // talks to b
};

/// Runs `test` on the outer ends while the inner ones are forwarded; what it came to.
forward_outcome forwarded(io::forward_options options, std::function<awaitable<void>(ends&)> test,
                          std::size_t capacity = io::duplex_capacity) {
    return testing::run([&]() -> awaitable<forward_outcome> {
        auto ex = co_await asio::this_coro::executor;
        auto [client, a] = io::duplex(ex, capacity);
        auto [server, b] = io::duplex(ex, capacity);
        ends outer{std::move(client), std::move(server)};
        auto [outcome, nothing] =
            co_await when_all(io::forward(std::move(a), std::move(b), options), test(outer));
        co_return outcome;
    });
}

awaitable<std::string> rest_of(io::stream& s) {
    std::array<char, 4096> memory;
    std::string all;
    while (const std::size_t n = co_await s.read(asio::buffer(memory)))
        all.append(memory.data(), n);
    co_return all;
}

awaitable<std::string> some_of(io::stream& s, std::size_t n) {
    std::string all(n, '\0');
    for (std::size_t got = 0; got < n;)
        got += co_await s.read(asio::buffer(all.data() + got, n - got));
    co_return all;
}

awaitable<io::error_code> end_of(io::stream& s) {
    std::array<char, 64> memory;
    auto r = co_await attempt(s.read(asio::buffer(memory)));
    if (!r) co_return r.error().code();
    co_return *r == 0 ? io::error_code(asio::error::eof) : io::error_code();
}

std::string pattern(std::size_t n) {
    std::string text(n, '\0');
    for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
    return text;
}

}  // namespace

TEST_CASE("bytes go both ways, and the outcome counts them") {
    const auto o = forwarded({}, [](ends& e) -> awaitable<void> {
        co_await e.client.write(bytes::literal("question"));
        std::string text = co_await some_of(e.server, 8);
        CHECK(text == "question");
        co_await sleep_for(3s);
        co_await e.server.write(bytes::literal("answer"));
        co_await e.server.shutdown_send();
        text = co_await rest_of(e.client);
        CHECK(text == "answer");
        co_await e.client.shutdown_send();
        text = co_await rest_of(e.server);
        CHECK(text.empty());
    });
    CHECK(o == forward_outcome{forward_end::finished, forward_side::b, 8, 6, 3s, {}});
}

TEST_CASE("half close is passed on, and the other direction goes on for as long as it likes") {
    const auto o = forwarded({}, [](ends& e) -> awaitable<void> {
        co_await e.client.write(bytes::literal("request"));
        co_await e.client.shutdown_send();
        std::string text = co_await rest_of(e.server);
        CHECK(text == "request");
        for (int i = 0; i < 10; ++i) {
            co_await sleep_for(60s);
            co_await e.server.write(bytes::literal("part "));
        }
        co_await e.server.shutdown_send();
        text = co_await rest_of(e.client);
        CHECK(text.size() == 50);
    });
    CHECK(o.why == forward_end::finished);
    CHECK(o.ended_by == forward_side::a);
    CHECK(o.age == 600s);
}

TEST_CASE("megabytes pass unchanged in both directions at once, through small and large buffers") {
    for (const std::size_t capacity : {std::size_t{100}, std::size_t{5000}, io::duplex_capacity}) {
        for (const std::size_t buffer : {std::size_t{0}, std::size_t{3000}, std::size_t{65536}}) {
            CAPTURE(capacity);
            CAPTURE(buffer);
            const std::string there = pattern(capacity < 1000 ? 50'000 : 1'500'000);
            const std::string back = pattern(there.size() - 777);
            const auto o = forwarded(
                {.buffer = buffer},
                [&](ends& e) -> awaitable<void> {
                    auto send = [](io::stream& s, std::string text) -> awaitable<void> {
                        co_await s.write(bytes(std::move(text)));
                        co_await s.shutdown_send();
                    };
                    auto [n1, n2, got_back, got_there] =
                        co_await when_all(send(e.client, there), send(e.server, back),
                                          rest_of(e.client), rest_of(e.server));
                    CHECK(got_there == there);
                    CHECK(got_back == back);
                },
                capacity);
            CHECK(o.why == forward_end::finished);
            CHECK(o.a_to_b == there.size());
            CHECK(o.b_to_a == back.size());
        }
    }
}

TEST_CASE("a side that does not read stops the other, and what is held is bounded") {
    forwarded(
        {.idle = 1s, .buffer = 16 * 1024},
        [](ends& e) -> awaitable<void> {
            std::size_t taken = 0;
            io::error_code ec;
            const std::string block(1024, 'x');
            for (int i = 0; i < 100; ++i) {
                while (taken < 10'000'000) {
                    const std::size_t n = e.client.try_write(asio::buffer(block), ec);
                    if (ec) break;
                    taken += n;
                }
                co_await sleep_for(1ms);
            }
            // Two duplexes of 4 KiB, and the buffer.
            CHECK(taken <= 2 * 4096 + 16 * 1024);
            CHECK(taken >= 2 * 4096);
            co_await sleep_for(2s);
        },
        4096);
}

TEST_CASE("silence in both directions for the idle limit ends it; a byte anywhere starts it anew") {
    const auto o = forwarded({.idle = 10s}, [](ends& e) -> awaitable<void> {
        for (int i = 0; i < 5; ++i) {
            co_await sleep_for(9s);
            io::stream& talks = i % 2 ? e.client : e.server;
            io::stream& hears = i % 2 ? e.server : e.client;
            co_await talks.write(bytes::literal("."));
            co_await some_of(hears, 1);
        }
        const auto code = co_await end_of(e.client);
        CHECK(code == asio::error::connection_reset);
        const auto other = co_await end_of(e.server);
        CHECK(other == asio::error::connection_reset);
    });
    CHECK(o.why == forward_end::idle);
    CHECK(o.ended_by == forward_side::neither);
    CHECK(o.a_to_b == 2);
    CHECK(o.b_to_a == 3);
    CHECK(o.age >= 55s);
    CHECK(o.age <= 55s + 8ms);
}

TEST_CASE("a side that takes nothing is idle too") {
    const auto o = forwarded({.idle = 10s}, [](ends& e) -> awaitable<void> {
        auto r = co_await attempt(e.client.write(bytes(std::string(10'000'000, 'x'))));
        REQUIRE(!r);
        CHECK(r.error().code() == asio::error::connection_reset);
    });
    CHECK(o.why == forward_end::idle);
    CHECK(o.age >= 10s);
    CHECK(o.age <= 10s + 8ms);
}

TEST_CASE("the first byte has a limit of its own, which its coming ends") {
    for (const bool idle : {false, true}) {
        const io::forward_options options{.idle = idle ? 60s : 0s, .first_byte = 2s};
        auto o = forwarded(options, [](ends& e) -> awaitable<void> { co_await end_of(e.client); });
        CHECK(o.why == forward_end::first_byte);
        CHECK(o.age >= 2s);
        CHECK(o.age <= 2s + 8ms);
        o = forwarded(options, [idle](ends& e) -> awaitable<void> {
            co_await sleep_for(1s);
            co_await e.server.write(bytes::literal("220"));
            co_await some_of(e.client, 3);
            if (idle) {
                co_await end_of(e.client);
                co_return;
            }
            co_await sleep_for(1h);
            co_await e.server.shutdown_send();
            co_await e.client.shutdown_send();
            co_await rest_of(e.server);
        });
        CHECK(o.why == (idle ? forward_end::idle : forward_end::finished));
        CHECK(o.age >= (idle ? 61s : 3601s));
    }
    // The idle limit is the shorter one.
    const auto o = forwarded({.idle = 1s, .first_byte = 2s},
                             [](ends& e) -> awaitable<void> { co_await end_of(e.client); });
    CHECK(o.why == forward_end::idle);
    CHECK(o.age <= 1s + 8ms);
}

TEST_CASE("the total limit ends it, however busy it is") {
    const auto o = forwarded({.total = 5s}, [](ends& e) -> awaitable<void> {
        for (;;) {
            auto r = co_await attempt(e.client.write(bytes::literal("tick")));
            if (!r) break;
            auto got = co_await attempt(some_of(e.server, 4));
            if (!got) break;
            co_await sleep_for(100ms);
        }
    });
    CHECK(o.why == forward_end::total);
    CHECK(o.age >= 5s);
    CHECK(o.age <= 5s + 8ms);
    CHECK(o.a_to_b == 200);
}

TEST_CASE("a side that resets is named, and the other side sees a reset") {
    for (const bool is_a : {false, true}) {
        const auto o = forwarded({}, [is_a](ends& e) -> awaitable<void> {
            co_await e.client.write(bytes::literal("x"));
            co_await some_of(e.server, 1);
            io::stream& breaks = is_a ? e.client : e.server;
            io::stream& stays = is_a ? e.server : e.client;
            breaks.abort();
            const auto code = co_await end_of(stays);
            CHECK(code == asio::error::connection_reset);
        });
        CHECK(o.why == forward_end::failed);
        CHECK(o.ended_by == (is_a ? forward_side::a : forward_side::b));
        CHECK(o.code == asio::error::connection_reset);
        CHECK(o.a_to_b == 1);
    }
}

TEST_CASE("a side that is gone when bytes are written to it is the one that failed") {
    const auto o = forwarded({}, [](ends& e) -> awaitable<void> {
        e.server.close();  // its end of file is passed on; then it takes nothing
        auto end = co_await end_of(e.client);
        CHECK(end == asio::error::eof);
        co_await e.client.write(bytes::literal("to nobody"));
        end = co_await end_of(e.client);
    });
    CHECK(o.why == forward_end::failed);
    CHECK(o.ended_by == forward_side::b);
    CHECK(o.code == asio::error::broken_pipe);
}

TEST_CASE("cancelled, it aborts both and still says what it came to") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto [client, a] = io::duplex(ex);
        auto [server, b] = io::duplex(ex);
        std::optional<forward_outcome> outcome;
        auto tunnel = [&](io::stream x, io::stream y) -> awaitable<void> {
            outcome = co_await io::forward(std::move(x), std::move(y));
        };
        co_await client.write(bytes::literal("12345"));
        auto r = co_await attempt(with_deadline(7s, tunnel(std::move(a), std::move(b))));
        REQUIRE(outcome);
        CHECK(outcome->why == forward_end::cancelled);
        CHECK(outcome->a_to_b == 5);
        CHECK(outcome->age >= 7s);
        io::stream& c = client;
        const auto code = co_await end_of(c);
        CHECK(code == asio::error::connection_reset);
    });
}

TEST_CASE("streams of another executor are forwarded there; of two executors they are refused") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const asio::any_io_executor strand = asio::make_strand(ex);
        auto [client, a] = io::duplex(ex, strand);
        auto [server, b] = io::duplex(ex, strand);
        auto talk = [](io::stream c, io::stream s) -> awaitable<void> {
            co_await c.write(bytes::literal("over there"));
            std::string text = co_await some_of(s, 10);
            CHECK(text == "over there");
            co_await c.shutdown_send();
            co_await s.shutdown_send();
            co_await rest_of(c);
        };
        auto [o, nothing] = co_await when_all(io::forward(std::move(a), std::move(b)),
                                              talk(std::move(client), std::move(server)));
        CHECK(o.why == forward_end::finished);
        auto [x, y] = io::duplex(ex, strand);
        auto r = co_await attempt(io::forward(std::move(x), std::move(y)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::invalid_input);
    });
}

TEST_CASE("a context that ends while streams are forwarded frees them") {
    auto alive = std::make_shared<int>(0);
    for (int stage = 0; stage < 3; ++stage) {
        std::optional<io::stream> outside;
        asio::io_context other(1);
        asio::io_context ctx(1);
        asio::co_spawn(
            ctx,
            [](std::shared_ptr<int>, int at, asio::any_io_executor elsewhere,
               std::optional<io::stream>& kept) -> awaitable<void> {
                auto ex = co_await asio::this_coro::executor;
                auto [client, a] = io::duplex(elsewhere, ex);
                auto [server, b] = io::duplex(ex, 64);
                io::error_code ec;
                if (at == 1) client.try_write(asio::buffer("much more than fits", 19), ec);
                if (at == 2) server.close();
                kept = std::move(client);
                io::stream stays = std::move(server);
                co_await io::forward(std::move(a), std::move(b));
            }(alive, stage, other.get_executor(), outside),
            [alive](std::exception_ptr) {});
        ctx.poll();
    }
    CHECK(alive.use_count() == 1);
}

TEST_CASE("two streams that are forwarded keep the laws of a stream, as one") {
    testing::stream_suite suite([](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
        auto [client, a] = io::duplex(ex);
        auto [server, b] = io::duplex(ex);
        asio::co_spawn(ex, io::forward(std::move(a), std::move(b)), [](auto...) {});
        co_return testing::stream_pair(std::move(client), std::move(server));
    });
    for (const testing::stream_law& law : testing::stream_laws()) {
        if (law.name.find("idle stream") != std::string_view::npos) continue;  // it reads ahead
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}
