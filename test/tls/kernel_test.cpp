// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// TLS whose sending side the system encrypts (kTLS). Where the system has none, the same cases hold
// that asking for it changes nothing; a line says so.

#include "raw_peer.hpp"
#include <weft/net/tcp.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/testing/stream_suite.hpp>
#include <weft/tls/error.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

using namespace tls_test;

namespace {

awaitable<testing::stream_pair> over_tcp(asio::any_io_executor ex) {
    net::tcp::listener listener(ex, "127.0.0.1:0");
    net::connect_request to("127.0.0.1", listener.local_endpoint().port());
    testing::stream_pair pair;
    pair.first = co_await net::tcp::connect.serve(std::move(to));
    pair.second = co_await listener.accept();
    co_return pair;
}

/// Whether the system has TLS for sockets.
bool offered() {
    static const bool found = [] {
        bool has = false;
        testing::run_real([&]() -> awaitable<void> {
            auto [a, b] = co_await over_tcp(co_await asio::this_coro::executor);
            has = ::setsockopt(a.native_socket(), IPPROTO_TCP, TCP_ULP, "tls", 3) == 0;
        });
        if (!has) MESSAGE("no kernel TLS on this system: what follows is TLS without");
        return has;
    }();
    return found;
}

struct choice {
    tls::version version = tls::version::tls_1_3;
    const char* cipher = "TLS_AES_128_GCM_SHA256";  // of TLS 1.3
    bool client = true;                             // the client's side asks for it
    bool server = true;
};

tls::client_config client_with(const choice& c) {
    tls::client_options o = client_options();
    o.min_version = o.max_version = c.version;
    o.session_cache = 0;
    o.kernel_tls = c.client;
    return tls::client_config(o);
}
tls::server_config server_with(const choice& c) {
    tls::server_options o = server_options();
    o.ciphers.tls_1_3 = c.cipher;
    o.kernel_tls = c.server;
    return tls::server_config(o);
}

awaitable<testing::stream_pair> secured(testing::stream_pair below, tls::client_config client,
                                        tls::server_config server) {
    auto both = co_await when_all(tls::handshake(std::move(below.first), client, shop_target),
                                  tls::accept(std::move(below.second), server));
    co_return testing::stream_pair(std::move(std::get<0>(both)), std::move(std::get<1>(both)));
}

awaitable<testing::stream_pair> pair_of(choice c) {
    auto below = co_await over_tcp(co_await asio::this_coro::executor);
    co_return co_await secured(std::move(below), client_with(c), server_with(c));
}

bool in_kernel(const io::stream& s) { return s.extensions().get<tls::info>()->kernel_send; }

awaitable<std::string> read_all(io::stream& s) {
    std::string text;
    std::vector<char> memory(64 * 1024);
    while (const std::size_t n = co_await s.read(asio::buffer(memory)))
        text.append(memory.data(), n);
    co_return text;
}

/// Writes until the socket takes no more; how much.
std::size_t fill(io::stream& s) {
    const std::string piece(64 * 1024, 'x');
    std::size_t sent = 0;
    io::error_code ec;
    while (ec != asio::error::would_block) sent += s.try_write(asio::buffer(piece), ec);
    return sent;
}

void keeps_the_laws(choice c) {
    const tls::client_config client = client_with(c);
    const tls::server_config server = server_with(c);
    const testing::stream_suite suite(
        [=](asio::any_io_executor ex) -> awaitable<testing::stream_pair> {
            context_info& info = context_info::of(ex);
            info.set_serial(true);
            info.deadlines().release_timer();
            co_return co_await secured(co_await over_tcp(ex), client, server);
        });
    for (const testing::stream_law& law : testing::stream_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

}  // namespace

TEST_CASE("a stream that sends by kTLS keeps the laws of a stream, TLS 1.3") {
    offered();
    keeps_the_laws({});
}

TEST_CASE("a stream that sends by kTLS keeps the laws of a stream, TLS 1.2") {
    offered();
    keeps_the_laws({.version = tls::version::tls_1_2});
}

TEST_CASE("each side decides for itself who encrypts what it sends") {
    for (const auto version : {tls::version::tls_1_2, tls::version::tls_1_3})
        for (const char* cipher :
             {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
            for (const bool client : {false, true})
                for (const bool server : {false, true})
                    testing::run_real([=]() -> awaitable<void> {
                        auto [c, s] = co_await pair_of({version, cipher, client, server});
                        CHECK(in_kernel(c) == (client && offered()));
                        CHECK(in_kernel(s) == (server && offered()));
                        const std::string much(300'000, 'x');
                        auto both = co_await when_all(read_all(c), [&]() -> awaitable<void> {
                            co_await s.write(asio::buffer(much));
                            co_await s.shutdown_send();
                        }());
                        CHECK(std::get<0>(both) == much);
                        co_await c.write(bytes::literal("and back"));
                        co_await c.shutdown_send();
                        CHECK(co_await read_all(s) == "and back");
                    });
}

TEST_CASE("where the connection below is no socket, asking for kTLS changes nothing") {
    testing::run([]() -> awaitable<void> {
        auto made = co_await shake(client_with({}), server_with({}));
        io::stream& c = made.client.value();
        io::stream& s = made.server.value();
        CHECK(!in_kernel(c));
        CHECK(!in_kernel(s));
        co_await s.write(bytes::literal("as ever"));
        co_await s.shutdown_send();
        CHECK(co_await read_all(c) == "as ever");
    });
}

TEST_CASE("by kTLS the end of a session arrives behind a full socket, and it is no truncation") {
    testing::run_real([]() -> awaitable<void> {
        auto [c, s] = co_await pair_of({});
        const std::size_t sent = fill(s);
        io::error_code ec;
        const bool shut = s.try_shutdown_send(ec);
        if (in_kernel(s)) CHECK(!shut);                  // close_notify finds no room
        const std::string heard = co_await read_all(c);  // throws where it is cut off
        CHECK(heard.size() == sent);
        if (!shut) co_await s.shutdown_send();
        co_await c.shutdown_send();
        CHECK(co_await read_all(s) == "");
    });
}

TEST_CASE(
    "a stream that sends by kTLS is closed behind what was written, also unread for a while") {
    testing::run_real([]() -> awaitable<void> {
        auto [c, s] = co_await pair_of({});
        const std::size_t sent = fill(s);
        s = io::stream();
        const std::string heard = co_await read_all(c);
        CHECK(heard.size() == sent);
    });
}

TEST_CASE("closed by kTLS nothing is lost on a peer that takes little at a time") {
    testing::run_real([]() -> awaitable<void> {
        auto below = co_await over_tcp(co_await asio::this_coro::executor);
        const int little = 2048;
        REQUIRE(::setsockopt(below.first.native_socket(), SOL_SOCKET, SO_RCVBUF, &little,
                             sizeof little) == 0);
        auto [c, s] = co_await secured(std::move(below), client_with({}), server_with({}));
        const std::size_t sent = fill(s);
        co_await when_all(
            [](io::stream closing) -> awaitable<void> {
                co_await closing.shutdown_send();
                // The peer says that it has it all.
                std::array<char, 16> memory;
                while (co_await closing.read(asio::buffer(memory)) > 0) continue;
            }(std::move(s)),
            [](io::stream& reading, std::size_t all) -> awaitable<void> {
                std::size_t heard = 0;
                std::array<char, 1000> memory;
                while (const std::size_t n = co_await reading.read(asio::buffer(memory)))
                    heard += n;
                CHECK(heard == all);
                co_await reading.shutdown_send();
            }(c, sent));
    });
}

TEST_CASE("a client that is refused after its handshake hears why, by kTLS too") {
    testing::run_real([]() -> awaitable<void> {
        auto below = co_await over_tcp(co_await asio::this_coro::executor);
        tls::server_options so = server_options();
        so.kernel_tls = true;
        so.client_certificates = tls::client_certificates::required;
        so.client_roots = {ca().root()};
        tls::client_options co = client_options();
        co.identity = tls::development_ca("foreign").client("ann");
        const tls::client_config client(co);
        const tls::server_config server(so);
        co_await when_all(
            [&](io::stream far) -> awaitable<void> {
                const auto refused = co_await attempt(tls::accept(std::move(far), server));
                REQUIRE(!refused);
                CHECK(refused.error().kind() == failure_kind::authentication);
            }(std::move(below.second)),
            [&](io::stream near) -> awaitable<void> {
                io::stream c = co_await tls::handshake(std::move(near), client, shop_target);
                co_await c.write(bytes::literal("a request that came early"));
                std::array<char, 16> memory;
                const auto read = co_await attempt(c.read(asio::buffer(memory)));
                REQUIRE(!read);
                CHECK(read.error().code().category() == tls::alert_category());
            }(std::move(below.first)));
    });
}

TEST_CASE("writing by kTLS to a peer that has gone is an error, and no signal") {
    testing::run_real([]() -> awaitable<void> {
        auto [c, s] = co_await pair_of({});
        c.abort();
        const std::string piece(64 * 1024, 'x');
        io::error_code ec;
        for (int i = 0; i < 1000 && (!ec || ec == asio::error::would_block); ++i) {
            s.try_write(asio::buffer(piece), ec);
            co_await asio::post(asio::deferred);
        }
        CHECK((ec == asio::error::broken_pipe || ec == asio::error::connection_reset));
        s.try_shutdown_send(ec);  // its close_notify is nobody's
    });
}

TEST_CASE("a session goes on by kTLS after it was resumed") {
    tls::client_options o = client_options();
    o.kernel_tls = true;
    const tls::client_config client(o);
    const tls::server_config server = server_with({});
    testing::run_real([&]() -> awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            auto [c, s] = co_await secured(co_await over_tcp(co_await asio::this_coro::executor),
                                           client, server);
            CHECK(c.extensions().get<tls::info>()->resumed == (i > 0));
            CHECK(in_kernel(s) == offered());
            co_await s.write(bytes::literal("hello"));
            co_await s.shutdown_send();
            CHECK(co_await read_all(c) == "hello");
            co_await c.shutdown_send();
            CHECK(co_await read_all(s) == "");
        }
    });
}

TEST_CASE("a peer that asks for new keys is followed, or cut off where the system has them") {
    testing::run_real([]() -> awaitable<void> {
        auto [near, far] = co_await over_tcp(co_await asio::this_coro::executor);
        raw_peer peer;
        auto both =
            co_await when_all(peer.handshake(near), tls::accept(std::move(far), server_with({})));
        io::stream s = std::move(std::get<1>(both));
        SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED);
        SSL_write(peer.ssl(), "new keys", 8);
        const std::string out = peer.output();
        co_await near.write(asio::buffer(out));
        std::array<char, 100> memory;
        const auto first = co_await attempt(s.read(asio::buffer(memory)));
        if (!in_kernel(s)) {
            REQUIRE(first);
            CHECK(*first == 8);
            co_return;
        }
        // What came with it may be read; then it is over.
        const auto last = first ? co_await attempt(s.read(asio::buffer(memory))) : first;
        REQUIRE(!last);
        CHECK(last.error().code() == tls::error::key_update);
        CHECK(last.error().kind() == failure_kind::protocol);
        const auto write = co_await attempt(s.write(bytes::literal("x")));
        REQUIRE(!write);
        CHECK(write.error().code() == tls::error::key_update);
    });
}
