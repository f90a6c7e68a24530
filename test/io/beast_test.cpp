// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
// Beast runs on an io::stream as on a socket.
#include <weft/io/duplex.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <doctest/doctest.h>

#include <exception>
#include <string>

using namespace weft;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

static_assert(beast::is_async_read_stream<io::stream>::value);
static_assert(beast::is_async_write_stream<io::stream>::value);

TEST_CASE("Beast serves and asks over io::stream") {
    asio::io_context ctx(1);
    auto [client, server] = io::duplex(ctx.get_executor(), 100);
    const std::string body(5000, 'b');
    std::string answered;
    auto serve = [&](io::stream s) -> awaitable<void> {
        beast::flat_buffer buffer;
        http::request<http::string_body> request;
        co_await http::async_read(s, buffer, request, asio::use_awaitable);
        http::response<http::string_body> response(http::status::ok, 11);
        response.body() = request.body() + "!";
        response.prepare_payload();
        co_await http::async_write(s, response, asio::use_awaitable);
        co_await s.async_shutdown_send(asio::use_awaitable);
    };
    auto ask = [&](io::stream s) -> awaitable<void> {
        http::request<http::string_body> request(http::verb::post, "/", 11);
        request.set(http::field::host, "test");
        request.body() = body;
        request.prepare_payload();
        co_await http::async_write(s, request, asio::use_awaitable);
        beast::flat_buffer buffer;
        http::response<http::string_body> response;
        co_await http::async_read(s, buffer, response, asio::use_awaitable);
        answered = response.body();
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
    CHECK(answered == body + "!");
}
