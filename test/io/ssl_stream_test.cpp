// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
// asio::ssl::stream runs on an io::stream as on a socket.
#include <weft/io/duplex.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <doctest/doctest.h>

#include <exception>
#include <string>

using namespace weft;
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

TEST_CASE("asio::ssl::stream shakes hands and talks over io::stream") {
    asio::io_context ctx(1);
    auto [client, server] = io::duplex(ctx.get_executor(), 1000);
    ssl::context settings(ssl::context::tlsv12);
    // Anonymous ciphers need no certificate; only a test may do this.
    REQUIRE(SSL_CTX_set_cipher_list(settings.native_handle(), "ADH-AES128-SHA256:@SECLEVEL=0") ==
            1);
    SSL_CTX_set_dh_auto(settings.native_handle(), 1);

    const std::string text(20000, 's');
    std::string got(text.size(), '-');
    auto serve = [&](io::stream s) -> awaitable<void> {
        ssl::stream<io::stream> tls(std::move(s), settings);
        CHECK(&tls.lowest_layer() == &tls.next_layer());
        co_await tls.async_handshake(ssl::stream_base::server, asio::use_awaitable);
        std::string memory(text.size(), ' ');
        co_await asio::async_read(tls, asio::buffer(memory), asio::use_awaitable);
        co_await asio::async_write(tls, asio::buffer(memory), asio::use_awaitable);
    };
    auto ask = [&](io::stream s) -> awaitable<void> {
        ssl::stream<io::stream> tls(std::move(s), settings);
        co_await tls.async_handshake(ssl::stream_base::client, asio::use_awaitable);
        co_await asio::async_write(tls, asio::buffer(text), asio::use_awaitable);
        co_await asio::async_read(tls, asio::buffer(got), asio::use_awaitable);
    };
    int done = 0;
    auto count = [&](std::exception_ptr e) {
        CHECK(!e);
        ++done;
    };
    asio::co_spawn(ctx, serve(std::move(server)), count);
    asio::co_spawn(ctx, ask(std::move(client)), count);
    ctx.run();
    CHECK(done == 2);
    CHECK(got == text);
}
