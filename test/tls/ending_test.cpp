// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// How sessions end: as they should, cut off, refused, or by a peer that wants our time.

#include "raw_peer.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/fault_plan.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/network.hpp>
#include <weft/testing/seeds.hpp>
#include <weft/tls/error.hpp>

#include <optional>

using namespace tls_test;
using namespace std::literals;

namespace {

tls::client_config client() { return tls::client_config(client_options()); }
tls::server_config server() { return tls::server_config(server_options()); }

}  // namespace

TEST_CASE("shutting down says so to the peer, and reading goes on") {
    testing::run([]() -> awaitable<void> {
        ends e = co_await shake(client(), server());
        co_await e.client->write(bytes::literal("question"));
        co_await e.client->shutdown_send();
        CHECK(co_await read_text(*e.server, 100) == "question");
        co_await e.server->write(bytes::literal("answer"));
        co_await e.server->shutdown_send();
        CHECK(co_await read_text(*e.client, 100) == "answer");
    });
}

TEST_CASE("a connection that ends without close_notify is truncated, not at its end") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        SSL_write(s.peer->ssl(), "half", 4);
        const std::string out = s.peer->output();
        co_await s.raw.write(asio::buffer(out));
        co_await s.raw.shutdown_send();  // of the connection, not of the session
        CHECK(co_await read_text(s.server, 4) == "half");
        for (int i = 0; i < 2; ++i) {
            const auto f = co_await read_failure(s.server);
            REQUIRE(f);
            CHECK(f->code() == tls::error::truncated);
            CHECK(f->kind() == failure_kind::unavailable);
        }
        std::array<char, 8> memory;
        io::error_code ec;
        CHECK(s.server.try_read(asio::buffer(memory), ec) == 0);
        CHECK(ec == tls::error::truncated);
        // The other direction stands.
        co_await s.server.write(bytes::literal("still here"));
    });
}

TEST_CASE("one record cut anywhere is truncated, and no byte of it is seen") {
    testing::run([]() -> awaitable<void> {
        for (const std::size_t cut : {1u, 4u, 5u, 6u, 20u, 25u}) {
            raw_session s = co_await raw_shake();
            SSL_write(s.peer->ssl(), "secret", 6);
            const std::string out = s.peer->output();
            REQUIRE(out.size() > cut);
            co_await s.raw.write(asio::buffer(out.data(), cut));
            co_await s.raw.shutdown_send();
            const auto f = co_await read_failure(s.server);
            REQUIRE(f);
            CHECK(f->code() == tls::error::truncated);
        }
    });
}

TEST_CASE("a record that was tampered with ends the session, and the peer is told") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        SSL_write(s.peer->ssl(), "secret", 6);
        std::string out = s.peer->output();
        out.back() = static_cast<char>(out.back() ^ 1);
        co_await s.raw.write(asio::buffer(out));
        const auto f = co_await read_failure(s.server);
        REQUIRE(f);
        CHECK(f->code() == tls::error::protocol);
        CHECK(f->kind() == failure_kind::protocol);
        const auto write = co_await attempt(s.server.write(bytes::literal("x")));
        CHECK(!write);
        const std::string answer = co_await read_text(s.raw, 1);
        CHECK(!answer.empty());
    });
}

TEST_CASE("garbage instead of a handshake is refused") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        co_await near.write(bytes::literal("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"));
        co_await near.shutdown_send();
        const auto r = co_await attempt(tls::accept(std::move(far), server()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::protocol);
        CHECK(r.error().context("reason") == "http request");
        CHECK(r.error().delivered() == delivery::not_sent);
    });
}

TEST_CASE("a ClientHello of more than 16 KiB is refused, and the client is told") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor, 1 << 20);
        raw_peer peer;
        std::string alpn;
        while (alpn.size() < 17'000) alpn += std::string_view("\x02h2", 3);
        REQUIRE(SSL_set_alpn_protos(peer.ssl(), reinterpret_cast<const unsigned char*>(alpn.data()),
                                    static_cast<unsigned>(alpn.size())) == 0);
        SSL_do_handshake(peer.ssl());
        const std::string hello = peer.output();
        co_await near.write(asio::buffer(hello));
        co_await near.shutdown_send();
        const auto r = co_await attempt(tls::accept(std::move(far), server()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::protocol);
        const std::string alert = co_await read_text(near, 100);
        CHECK(alert.starts_with("\x15\x03"));
    });
}

TEST_CASE("versions before TLS 1.2 are refused") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        raw_peer old;
        SSL_set_security_level(old.ssl(), 0);
        SSL_set_min_proto_version(old.ssl(), TLS1_VERSION);
        SSL_set_max_proto_version(old.ssl(), TLS1_1_VERSION);
        SSL_set_cipher_list(old.ssl(), "ALL:@SECLEVEL=0");
        SSL_do_handshake(old.ssl());
        const std::string hello = old.output();
        REQUIRE(!hello.empty());
        co_await near.write(asio::buffer(hello));
        co_await near.shutdown_send();
        const auto r = co_await attempt(tls::accept(std::move(far), server()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::protocol);
    });
}

TEST_CASE("a silent peer is given up after ten seconds, on both sides") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        weft::clock& time = context_info::of(executor).clock();
        auto [near, far] = io::duplex(executor);
        const auto begun = time.now();
        auto both = co_await when_all(attempt(tls::accept(std::move(far), server())),
                                      attempt(sleep_for(20s)));
        const failure& f = std::get<0>(both).error();
        CHECK(f.kind() == failure_kind::timeout);
        CHECK(f.domain() == failure_domain::transport);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(time.now() - begun >= 20s);
        auto [c, d] = io::duplex(executor);
        const auto again = time.now();
        const auto r = co_await attempt(tls::handshake(std::move(c), client(), shop_target));
        CHECK(r.error().kind() == failure_kind::timeout);
        CHECK(r.error().context("host") == "shop.test");
        CHECK(time.now() - again >= 10s);
        CHECK(time.now() - again < 11s);
    });
}

TEST_CASE("a peer that goes away during the handshake is unavailable") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor);
        near.close();
        const auto r = co_await attempt(tls::accept(std::move(far), server()));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
    });
}

TEST_CASE("a handshake that never ends is too large") {
    testing::run([]() -> awaitable<void> {
        auto executor = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(executor, 1 << 20);
        tls::server_options o = server_options();
        o.max_handshake_bytes = 16 * 1024;
        // One ClientHello of 16 MiB, in records of 16 KiB.
        std::string hello("\x16\x03\x01\x40\x00\x01\xff\xff\xff", 9);
        hello.resize(5 + 16 * 1024);
        co_await near.write(asio::buffer(hello));
        co_await near.write(asio::buffer(hello));
        const auto r = co_await attempt(tls::accept(std::move(far), tls::server_config(o)));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::protocol);
        CHECK(r.error().delivered() == delivery::not_sent);
    });
}

TEST_CASE("a handshake may be cancelled at any time") {
    for (int ms = 0; ms < 12; ++ms) {
        testing::run([ms]() -> awaitable<void> {
            testing::network net(co_await asio::this_coro::executor);
            net.set_default_link({.latency = 2ms});
            auto listener = net.host("shop.test").listen(443);
            const auto connect = tls::connect(client()) >> net.host("laptop").connector();
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> {
                    io::stream stream = co_await listener.accept();
                    auto r = co_await attempt(tls::accept(std::move(stream), server()));
                    if (r) static_cast<void>(co_await attempt(read_text(*r, 1)));
                });
                net::connect_request to("shop.test", 443);
                auto raced = co_await when_any(attempt(connect.serve(std::move(to))),
                                               sleep_for(std::chrono::milliseconds(ms)));
                CHECK(raced.index <= 1);
            });
        });
    }
}

TEST_CASE("key updates are followed, both ways, also while a write waits") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        for (int i = 0; i < 8; ++i) {
            SSL_key_update(s.peer->ssl(), SSL_KEY_UPDATE_REQUESTED);
            SSL_write(s.peer->ssl(), "new keys", 8);
            const std::string out = s.peer->output();
            co_await s.raw.write(asio::buffer(out));
            CHECK(co_await read_text(s.server, 8) == "new keys");
            co_await s.server.write(bytes::literal("as well"));
            std::array<char, 4096> memory;
            std::array<char, 16> plain;
            int n = 0;
            while (n <= 0) {
                const std::size_t got = co_await s.raw.read(asio::buffer(memory));
                BIO_write(SSL_get_rbio(s.peer->ssl()), memory.data(), static_cast<int>(got));
                n = SSL_read(s.peer->ssl(), plain.data(), static_cast<int>(plain.size()));
            }
            CHECK(std::string_view(plain.data(), static_cast<std::size_t>(n)) == "as well");
        }
    });
}

TEST_CASE("a peer that floods with key updates is cut off") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        for (int i = 0; i < 200; ++i) {
            SSL_key_update(s.peer->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(s.peer->ssl());
        }
        const std::string out = s.peer->output();
        co_await s.raw.write(asio::buffer(out));
        const auto f = co_await read_failure(s.server);
        REQUIRE(f);
        CHECK(f->code() == tls::error::flood);
    });
}

TEST_CASE("a peer that floods with key updates and a byte now and then is cut off") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        std::optional<failure> cut;
        std::array<char, 16> memory;
        int batches = 0;
        while (!cut && batches < 100) {
            ++batches;
            for (int i = 0; i < 10; ++i) {
                SSL_key_update(s.peer->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
                SSL_do_handshake(s.peer->ssl());
            }
            SSL_write(s.peer->ssl(), "x", 1);
            const std::string out = s.peer->output();
            co_await s.raw.write(asio::buffer(out));
            const auto read = co_await attempt(s.server.read(asio::buffer(memory)));
            if (!read) cut = read.error();
        }
        REQUIRE(cut);
        CHECK(cut->code() == tls::error::flood);
        CHECK(batches < 10);
    });
}

TEST_CASE("a peer that floods with empty records is cut off") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake(TLS1_2_VERSION);
        // OpenSSL sends no empty records of its own accord: take an empty fragment of CBC times.
        std::string out;
        for (int i = 0; i < 200; ++i) {
            std::size_t none = 0;
            SSL_write_ex(s.peer->ssl(), "", 0, &none);
            out += s.peer->output();
        }
        if (out.empty()) co_return;  // this OpenSSL writes nothing for nothing
        co_await s.raw.write(asio::buffer(out));
        const auto f = co_await read_failure(s.server);
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::protocol);
    });
}

TEST_CASE("renegotiation is refused, and asking for it again and again cut off") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake(TLS1_2_VERSION);
        REQUIRE(SSL_renegotiate(s.peer->ssl()) == 1);
        SSL_do_handshake(s.peer->ssl());
        const std::string out = s.peer->output();
        REQUIRE(!out.empty());
        co_await s.raw.write(asio::buffer(out));
        co_await s.raw.shutdown_send();
        const auto f = co_await read_failure(s.server);
        REQUIRE(f);
        CHECK(info_of(s.server).version == tls::version::tls_1_2);
    });
}

TEST_CASE("one write of the application is one write below, in records joined") {
    testing::run([]() -> awaitable<void> {
        raw_session s = co_await raw_shake();
        co_await s.server.write(bytes::literal("tickets go with it"));
        std::array<char, 8192> memory;
        io::error_code ec;
        std::size_t n = s.raw.try_read(asio::buffer(memory), ec);
        CHECK(n > 300);  // with the two tickets, in one go
        const std::string head = "head";
        const std::string body(1000, 'b');
        const std::array<asio::const_buffer, 3> parts{asio::buffer(head), asio::const_buffer(),
                                                      asio::buffer(body)};
        co_await s.server.write(io::const_buffers(parts));
        n = s.raw.try_read(asio::buffer(memory), ec);
        CHECK(n == 1004 + 22);  // one record: header, kind and tag
    });
}

TEST_CASE("a TLS exchange survives a fault at every point, or fails as it should") {
    testing::fault_plan_options options;
    options.delays = {std::chrono::milliseconds(1), std::chrono::hours(1)};
    const auto report =
        testing::fault_plan(options).replay([](testing::fault_run& r) -> awaitable<void> {
            auto app = [](io::stream stream) -> awaitable<void> {
                const std::string text = co_await read_text(stream, 4);
                co_await stream.write(bytes(text));
                co_await stream.shutdown_send();
            };
            const auto stack = tls::acceptor(server()) >> app;
            auto tolerant = [&stack](io::stream stream) -> awaitable<void> {
                static_cast<void>(co_await attempt(stack.serve(std::move(stream))));
            };
            const auto connect = tls::connect(client()) >> testing::mock_connector(tolerant);
            auto echo = [](const auto& c) -> awaitable<void> {
                net::connect_request to("shop.test", 443);
                io::stream s = co_await c.serve(std::move(to));
                co_await s.write(bytes::literal("ping"));
                const std::string text = co_await read_text(s, 100);
                if (text != "ping")
                    throw failure(failure_kind::unavailable, "the echo was cut short");
            };
            co_await r.disturb(echo(connect));
            co_await sleep_for(2h);
            co_await echo(connect);
        });
    MESSAGE(report.text());
    CHECK(report.total() > 20);
    CHECK(report.failures > 0);
}

TEST_CASE("TLS passes over bad networks of many seeds") {
    testing::run_seeds(
        []() -> awaitable<void> {
            testing::network net(co_await asio::this_coro::executor);
            net.set_default_link({.latency = 5ms, .jitter = 20ms, .max_read = 700});
            auto listener = net.host("shop.test").listen(443);
            const auto connect = tls::connect(client()) >> net.host("laptop").connector();
            std::string sent(200'000, 's');
            for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> {
                    io::stream raw = co_await listener.accept();
                    io::stream stream = co_await tls::accept(std::move(raw), server());
                    const std::string got = co_await read_text(stream, sent.size());
                    co_await stream.write(bytes(got));
                    co_await stream.shutdown_send();
                    static_cast<void>(co_await read_text(stream, 1));
                });
                net::connect_request to("shop.test", 443);
                io::stream stream = co_await connect.serve(std::move(to));
                co_await stream.write(asio::buffer(sent));
                const std::string got = co_await read_text(stream, sent.size() + 1);
                CHECK(got == sent);
            });
        },
        {.count = 20});
}
