// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_transcript.hpp"
#include <weft/http/h1/encoder.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace weft;
using namespace weft::http;
using h1::connection;
using h1::framing;

namespace {

std::string encode(const request_head& head, const h1::head_options& options = {}) {
    std::string out = ">";
    h1::append(out, head, options);
    CHECK(out.size() - 1 <= h1::encoded_size(head, options));
    return out.substr(1);
}
std::string encode(const response_head& head, const h1::head_options& options = {}) {
    std::string out = ">";
    h1::append(out, head, options);
    CHECK(out.size() - 1 <= h1::encoded_size(head, options));
    return out.substr(1);
}

}  // namespace

TEST_CASE("a request head is written as RFC 9112 has it") {
    CHECK(encode(request_head()) == "GET / HTTP/1.1\r\n\r\n");
    request_head head(method("PURGE"), "http://a/b?c", version::http_1_0);
    head.headers().add("Host", "a");
    head.headers().add("x-Y", "");
    CHECK(encode(head) == "PURGE http://a/b?c HTTP/1.0\r\nHost: a\r\nx-Y: \r\n\r\n");
    head.set_version(version::http_2);
    CHECK(encode(head, {.body = framing::sized(18446744073709551615u)}) ==
          "PURGE http://a/b?c HTTP/1.1\r\nHost: a\r\nx-Y: \r\nContent-Length: "
          "18446744073709551615\r\n\r\n");
}

TEST_CASE("a response head is written as RFC 9112 has it") {
    CHECK(encode(response_head()) == "HTTP/1.1 200 OK\r\n\r\n");
    CHECK(encode(response_head(777)) == "HTTP/1.1 777 \r\n\r\n");
    response_head head(status::not_found);
    head.headers().add("Content-Type", "text/plain");
    CHECK(encode(head, {.body = framing::sized(5), .date = "now"}) ==
          "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nDate: now\r\nContent-Length: "
          "5\r\n\r\n");
    head.headers().add("Date", "then");
    CHECK(
        encode(head,
               {.body = framing::chunked(), .connection = connection::close, .date = "now"}) ==
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nDate: then\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
    head.set_status(404, "Gone fishing");
    CHECK(encode(head).starts_with("HTTP/1.1 404 Gone fishing\r\n"));
}

TEST_CASE("framing and connection fields of a head cannot contradict what is sent") {
    response_head head;
    head.headers() =
        headers{{"Content-Length", "7"},         {"X", "y"},
                {"transfer-encoding", "gzip"},   {"Proxy-Connection", "keep-alive"},
                {"Connection", "Keep-Alive, X"}, {"connection", "upgrade,close,Z,, \"q,r\""}};
    CHECK(
        encode(head, {.body = framing::sized(3), .connection = connection::close}) ==
        "HTTP/1.1 200 OK\r\nX: y\r\nConnection: close, X, Z, \"q,r\"\r\nContent-Length: 3\r\n\r\n");
    CHECK(encode(head) == "HTTP/1.1 200 OK\r\nX: y\r\nConnection: X, Z, \"q,r\"\r\n\r\n");
    head.headers() = headers{{"Connection", "close"}};
    CHECK(encode(head) == "HTTP/1.1 200 OK\r\n\r\n");
    CHECK(encode(head, {.connection = connection::keep_alive}) ==
          "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n");
    CHECK(encode(head, {.connection = connection::upgrade}) ==
          "HTTP/1.1 200 OK\r\nConnection: upgrade\r\n\r\n");
    // Every option of a long list gets a space behind its comma.
    std::string dense = "a";
    for (int i = 0; i < 500; ++i) dense += ",a";
    head.headers() = headers{{"Connection", dense}};
    CHECK(encode(head).size() > dense.size() + 500);
}

TEST_CASE("chunks are written with a hexadecimal size") {
    char out[h1::max_chunk_header];
    const auto header = [&](std::uint64_t n) {
        return std::string(out, h1::write_chunk_header(out, n));
    };
    CHECK(header(1) == "1\r\n");
    CHECK(header(0x1aF) == "1af\r\n");
    CHECK(header(~std::uint64_t{0}) == "ffffffffffffffff\r\n");
    std::string end;
    h1::append_last_chunk(end,
                          headers{{"X", "1"}, {"Content-Length", "9"}, {"Host", "h"}, {"Y", ""}});
    CHECK(end == "0\r\nX: 1\r\nY: \r\n\r\n");
    end.clear();
    h1::append_last_chunk(end, {});
    CHECK(end == h1::last_chunk);
}

TEST_CASE("what the encoder writes, the decoder reads back") {
    const std::string_view methods[] = {"GET", "POST", "OPTIONS", "X-Y"};
    for (const std::string_view m : methods) {
        for (const framing body :
             {framing::none(), framing::sized(0), framing::sized(5), framing::chunked()}) {
            for (const int fields : {0, 1, 3, 40}) {
                for (const connection c :
                     {connection::unsaid, connection::close, connection::keep_alive}) {
                    request_head head{method(m), "/a/b?c=d"};
                    head.headers().add("Host", "a:8080");
                    for (int i = 0; i < fields; ++i)
                        head.headers().add(fmt::format("F-{}", i),
                                           std::string(static_cast<std::size_t>(i), 'v'));
                    std::string wire;
                    h1::append(wire, head, {.body = body, .connection = c});
                    h1::request_decoder d;
                    REQUIRE(d.decode(wire + "next") == h1::progress::complete);
                    CHECK(d.consumed() == wire.size());
                    CHECK(d.traits().body == body);
                    CHECK(d.traits().keep_alive == (c != connection::close));
                    request_head back = d.take_head();
                    CHECK(back.method() == m);
                    CHECK(back.target() == "/a/b?c=d");
                    back.headers().erase("Connection");
                    back.headers().erase("Content-Length");
                    back.headers().erase("Transfer-Encoding");
                    CHECK(h1::test::describe(back.headers()) == h1::test::describe(head.headers()));
                    // And again, from the block that was parsed.
                    std::string again;
                    h1::append(again, back, {.body = body, .connection = c});
                    CHECK(again == wire);
                }
            }
        }
    }
    for (const int code : {100, 200, 204, 304, 404, 599, 999}) {
        response_head head{status(code)};
        head.headers().add("A", "b");
        std::string wire;
        h1::append(wire, head, {.body = code == 200 ? framing::sized(3) : framing::none()});
        h1::response_decoder d;
        REQUIRE(d.decode(wire, method::get) == h1::progress::complete);
        const response_head back = d.take_head();
        CHECK(back.status() == code);
        CHECK(back.reason() == status(code).reason());
        CHECK(back.headers().get("a") == "b");
    }
}

TEST_CASE("chunked content that is written is read back") {
    std::string wire = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    std::string content;
    for (const std::size_t n : {1u, 2u, 15u, 16u, 17u, 4095u, 70000u}) {
        char out[h1::max_chunk_header];
        const std::string data(n, static_cast<char>('a' + n % 26));
        wire.append(out, h1::write_chunk_header(out, n)).append(data).append(h1::chunk_end);
        content += data;
    }
    h1::append_last_chunk(wire, headers{{"X-Sum", "1"}});
    const std::string_view whole[] = {wire};
    CHECK(h1::test::transcript<h1::request_decoder>(whole, {}, false) ==
          "POST / 1.1 chunked keep \"" + content + "\" {X-Sum=1}");
}
