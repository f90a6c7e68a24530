// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Shutting down while the last flight is on its way, or cannot go.

#include "../../lib/tls/byte_queue.hpp"
#include "raw_peer.hpp"
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/with_deadline.hpp>
#include <weft/tls/error.hpp>

using namespace tls_test;
using namespace std::literals;

namespace {

/// Writes until a flight waits for a peer that reads nothing.
void clog(io::stream& s) {
    const std::string text(64 * 1024, 'x');
    io::error_code ec;
    while (!ec) s.try_write(asio::buffer(text), ec);
    REQUIRE(ec == asio::error::would_block);
}

}  // namespace

TEST_CASE("shutting down ends when the last flight cannot be sent") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake(TLS1_3_VERSION, 16 * 1024);
        clog(s.server);
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn([&]() -> awaitable<void> {
                co_await sleep_for(1s);
                s.raw.abort();
            });
            auto ended = co_await attempt(with_deadline(10s, s.server.shutdown_send()));
            REQUIRE(!ended);
            CHECK(ended.error().kind() == failure_kind::unavailable);
            CHECK(ended.error().code() == asio::error::connection_reset);
        });
    });
}

TEST_CASE("shutting down after a cancelled write ends when the connection is lost") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake(TLS1_3_VERSION, 16 * 1024);
        clog(s.server);
        const auto late = co_await attempt(with_deadline(1s, s.server.write(bytes::literal("x"))));
        CHECK(!late);
        s.raw.abort();
        co_await sleep_for(1s);
        for (int i = 0; i < 2; ++i) {
            const auto ended = co_await attempt(with_deadline(10s, s.server.shutdown_send()));
            REQUIRE(!ended);
            CHECK(ended.error().kind() == failure_kind::unavailable);
        }
    });
}

TEST_CASE("a session that failed ends the connection below behind its alert") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake(TLS1_3_VERSION, 16 * 1024);
        clog(s.server);
        // A record that was tampered with: its alert waits behind the flight.
        SSL_write(s.peer->ssl(), "secret", 6);
        std::string out = s.peer->output();
        out.back() = static_cast<char>(out.back() ^ 1);
        co_await s.raw.write(asio::buffer(out));
        CHECK(co_await read_failure(s.server));
        const auto write = co_await attempt(s.server.write(bytes::literal("x")));
        REQUIRE(!write);
        CHECK(write.error().code() == tls::error::protocol);
        io::error_code ec;
        CHECK(!s.server.try_shutdown_send(ec));
        CHECK(ec == asio::error::would_block);  // not behind it yet
        // All that was written arrives, then the alert, then the end of file.
        std::string heard;
        std::array<char, 4096> memory;
        for (;;) {
            const auto n = co_await attempt(with_deadline(1s, s.raw.read(asio::buffer(memory))));
            REQUIRE(n);
            if (*n == 0) break;
            heard.append(memory.data(), *n);
        }
        BIO_write(SSL_get_rbio(s.peer->ssl()), heard.data(), static_cast<int>(heard.size()));
        std::size_t clear = 0;
        int got = 0;
        while ((got = SSL_read(s.peer->ssl(), memory.data(), static_cast<int>(memory.size()))) > 0)
            clear += static_cast<std::size_t>(got);
        CHECK(clear >= 16 * 1024);
        CHECK(SSL_get_error(s.peer->ssl(), got) == SSL_ERROR_SSL);  // the alert
    });
}

TEST_CASE("a queue without memory says so, and keeps what it has") {
    if (!counted) return;
    tls::detail::byte_queue q;
    q.append("held", 4);
    CHECK(q.try_prepare(std::size_t(1) << 62).size() == 0);
    CHECK_THROWS_AS(q.prepare(std::size_t(1) << 62), std::bad_alloc);
    CHECK(std::string_view(q.data(), q.size()) == "held");
    CHECK(q.try_prepare(100).size() >= 100);
    CHECK(std::string_view(q.data(), q.size()) == "held");
}

TEST_CASE("the last words and close_notify leave together") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        std::array<char, 4096> memory;
        io::error_code ec;
        s.server.end_follows();
        co_await s.server.write(bytes::literal("last"));
        co_await s.server.write(bytes::literal(" words"));
        CHECK(s.raw.try_read(asio::buffer(memory), ec) == 0);
        CHECK(ec == asio::error::would_block);
        co_await s.server.shutdown_send();
        const std::size_t n = s.raw.try_read(asio::buffer(memory), ec);
        BIO_write(SSL_get_rbio(s.peer->ssl()), memory.data(), static_cast<int>(n));
        std::string heard;
        int got = 0;
        while ((got = SSL_read(s.peer->ssl(), memory.data(), 4096)) > 0)
            heard.append(memory.data(), static_cast<std::size_t>(got));
        CHECK(heard == "last words");
        CHECK(SSL_get_error(s.peer->ssl(), got) == SSL_ERROR_ZERO_RETURN);
    });
}

TEST_CASE("of last words only a few are held back, and none behind a read that waits") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        std::array<char, 1 << 16> memory;
        io::error_code ec;
        s.server.end_follows();
        const std::string much(20 * 1024, 'x');
        co_await s.server.write(asio::buffer(much));
        CHECK(s.raw.try_read(asio::buffer(memory), ec) > much.size());
        co_await s.server.write(bytes::literal("a question"));
        CHECK(s.raw.try_read(asio::buffer(memory), ec) == 0);
        const auto none = co_await attempt(with_deadline(1s, s.server.read(asio::buffer(memory))));
        CHECK(!none);
        CHECK(s.raw.try_read(asio::buffer(memory), ec) > 10);
    });
}

TEST_CASE("what was received of a record and not read survives the end of our side") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        std::string record;
        for (int i = 0; i < 1000; ++i) record += static_cast<char>('a' + i % 26);
        SSL_write(s.peer->ssl(), record.data(), static_cast<int>(record.size()));
        const std::string out = s.peer->output();
        co_await s.raw.write(asio::buffer(out));
        CHECK(co_await read_text(s.server, 10) == record.substr(0, 10));
        co_await s.server.shutdown_send();
        CHECK(co_await read_text(s.server, 990) == record.substr(10));
    });
}
