// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/connection.hpp>
#include <weft/http/server.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

namespace {

const auto hello = [](http::request r) -> awaitable<http::response> {
    co_return http::text("Hello, " + r.query("name").value_or("world"));
};

const auto echo = [](http::request r) -> awaitable<http::response> {
    http::response answer;
    answer.set_body(std::move(r.body()));
    co_return answer;
};

/// Without the Date field, which changes.
std::string dateless(std::string text) {
    for (std::size_t at; (at = text.find("Date: ")) != text.npos;)
        text.erase(at, text.find("\r\n", at) + 2 - at);
    return text;
}

awaitable<std::string> read_to_end(io::stream& s) {
    std::string all;
    std::array<char, 4096> buffer;
    while (std::size_t n = co_await s.read(asio::buffer(buffer))) all.append(buffer.data(), n);
    co_return all;
}

/// What the server says to these bytes until it closes, or until the client half-closes and it is
/// done.
std::string answer_to(std::string bytes, http::any_app app, http::server_options options = {},
                      bool half_close = true) {
    std::string answer;
    testing::run([&]() -> awaitable<void> {
        http::server server(app, options);
        auto [client, far] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(client);
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            co_await near.write(weft::bytes(bytes));
            if (half_close) co_await near.shutdown_send();
            answer = co_await read_to_end(near);
        });
    });
    return dateless(answer);
}

}  // namespace

TEST_CASE("a request gets its response and the connection stays") {
    CHECK(answer_to("GET /?name=Ann HTTP/1.1\r\nHost: a\r\n\r\n", hello, {.half_close = true}) ==
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
          "10\r\n\r\nHello, Ann");
}

TEST_CASE("pipelined requests are answered in order") {
    const std::string one =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
    CHECK(answer_to(
              "GET /?name=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /?name=22 HTTP/1.1\r\nHost: a\r\n\r\n"
              "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
              hello) ==
          one + "8\r\n\r\nHello, 1" + one + "9\r\n\r\nHello, 22" +
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
              "Content-Length: 12\r\n\r\nHello, world");
}

TEST_CASE("a bad request is answered 400 and nothing after it is read") {
    const std::string answer = answer_to(
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        hello);
    CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    CHECK(answer.find("Hello") == answer.npos);
    CHECK(answer.find("Connection: close") != answer.npos);
}

TEST_CASE("a body is echoed as it comes, chunked and with a length") {
    CHECK(answer_to(
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde",
              echo) == "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde");
    CHECK(
        answer_to(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            echo) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
}

TEST_CASE("a connection serves many exchanges of a client") {
    testing::run([]() -> awaitable<void> {
        http::server server(echo);
        auto [client, far] = io::duplex(co_await asio::this_coro::executor);
        io::stream near = std::move(client);
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            http::connection c = co_await http::connect(std::move(near));
            for (int i = 0; i < 5; ++i) {
                http::request r(http::method::post, "http://a/",
                                std::string(static_cast<std::size_t>(i) * 1000, 'x'));
                http::response answer = co_await c.serve(std::move(r));
                CHECK(answer.status() == 200);
                weft::bytes all = co_await answer.body().read_all();
                CHECK(all.size() == static_cast<std::size_t>(i) * 1000);
            }
        });
    });
}
