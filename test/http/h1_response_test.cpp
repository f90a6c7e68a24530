// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_transcript.hpp"
#include <weft/http/h1/decoder.hpp>
#include <weft/testing/splits.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace std::literals;
using namespace weft;
using namespace weft::http;

namespace {

struct row {
    std::string_view input, expected;
};

std::string decode(std::string_view input, const method& m = method::get,
                   const h1::limits& limits = {}, bool show_fields = false) {
    return testing::splits(input, [&](std::span<const std::string_view> pieces) {
        return h1::test::transcript<h1::response_decoder>(pieces, limits, show_fields, m);
    });
}

#define OK "HTTP/1.1 200 OK\r\n"

}  // namespace

TEST_CASE("responses to GET, whole and at every cut") {
    const row rows[] = {
        {OK "Content-Length: 2\r\n\r\nhi", "200 1.1 OK length:2 keep \"hi\""},
        {OK "Content-Length: 0\r\n\r\n", "200 1.1 OK length:0 keep"},
        {OK "\r\nhi\r\nHTTP/1.1 200 OK\r\n\r\n",
         "200 1.1 OK until_close close \"hi\r\nHTTP/1.1 200 OK\r\n\r\n\""},
        {OK "\r\n", "200 1.1 OK until_close close"},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
         "200 1.1 OK chunked keep \"hi\" {X=y}"},
        {OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", "200 1.1 OK length:2 close \"hi\""},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 1.0 OK length:2 close \"hi\""},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
         "200 1.0 OK length:2 keep \"hi\""},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhi",
         "200 1.0 OK until_close close \"hi\""},
        {"HTTP/1.3 200 OK\r\nContent-Length: 0\r\n\r\n", "200 1.1 OK length:0 keep"},
        {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1.1 OK length:0 keep"},
        {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1.1 OK length:0 keep"},
        {"HTTP/1.1 404 Nicht da\t\xc3\xa9!\r\nContent-Length: 0\r\n\r\n",
         "404 1.1 Nicht da\t\xc3\xa9! length:0 keep"},
        {"HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", "599 1.1 - length:0 keep"},
        {"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "999 1.1 Odd length:0 keep"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204 1.1 No Content none keep"},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 1.1 No Content none keep"},
        {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "204 1.1 No Content none close"},
        {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
         "204 1.1 No Content none close"},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
         "304 1.1 Not Modified none keep | 200 1.1 OK length:0 keep"},
        {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
         "304 1.1 Not Modified none keep"},
        {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
         "100 1.1 Continue none keep | 200 1.1 OK length:0 keep"},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
         "103 1.1 Early Hints none keep | 204 1.1 x none keep"},
        {"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n", "100 1.1 Continue none close"},
        {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
         "101 1.1 Switching Protocols upgrade keep upgrade | rest:3"},
        {OK "Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
         "200 1.1 OK length:0 keep"},
        {"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
         "205 1.1 Reset Content length:0 keep"},
        {"HTTP/1.1 200 O", "..."},
        {"", ""},
        // refused
        {"\r\n" OK "\r\n", "!bad_status_line 502"},
        {"http/1.1 200 OK\r\n\r\n", "!bad_version 400"},
        {"HTTP/2.0 200 OK\r\n\r\n", "!unsupported_version 505"},
        {"HTTP/2 200\r\n\r\n", "!bad_version 400"},
        {"HTTP/1.10 200 OK\r\n\r\n", "!bad_status_line 502"},
        {"HTTP/1.1\r\n\r\n", "!bad_status_line 502"},
        {"HTTP/1.1  200 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 20 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 099 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 -10 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 2x0 OK\r\n\r\n", "!bad_status_code 502"},
        {"HTTP/1.1 200OK\r\n\r\n", "!bad_status_line 502"},
        {"HTTP/1.1\t200 OK\r\n\r\n", "!bad_status_line 502"},
        {"GET / HTTP/1.1\r\n\r\n", "!bad_version 400"},
        {"SSH-2.0-OpenSSH\r\n", "!bad_version 400"},
        {"HTTP/1.1 200 OK\n\r\n", "!bare_lf 400"},
        {"HTTP/1.1 200 O\rK\r\n\r\n", "!bare_cr 400"},
        {"HTTP/1.1 200 O\0K\r\n\r\n"sv, "!control_character 400"},
        {OK " X: a\r\n\r\n", "!leading_whitespace 400"},
        {OK "X: a\r\n b\r\n\r\n", "!obs_fold 400"},
        {OK "X : a\r\n\r\n", "!space_before_colon 400"},
        {OK "X\r\n\r\n", "!missing_colon 400"},
        {OK ":\r\n\r\n", "!bad_field_name 400"},
        {OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "!multiple_content_lengths 400"},
        {OK "Content-Length: 2, 2\r\n\r\nhi", "!bad_content_length 400"},
        {OK "Content-Length: 2 \r\n\r\nhi", "200 1.1 OK length:2 keep \"hi\""},
        {OK "Content-Length: two\r\n\r\nhi", "!bad_content_length 400"},
        {OK "Content-Length: 18446744073709551616\r\n\r\n", "!content_length_overflow 400"},
        {OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "!transfer_encoding_and_content_length 400"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "!transfer_encoding_in_http_1_0 400"},
        {OK "Transfer-Encoding: gzip\r\n\r\n", "!chunked_not_last 400"},
        {OK "Transfer-Encoding: identity\r\n\r\nx", "!chunked_not_last 400"},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "!unknown_transfer_coding 501"},
        {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "!bad_transfer_encoding 400"},
        {"HTTP/1.1 204 x\r\nContent-Length: x\r\n\r\n", "!bad_content_length 400"},
        {OK "Content-Length: 3\r\n\r\nhi", "200 1.1 OK length:3 keep | !truncated 400"},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
         "200 1.1 OK chunked keep | !truncated 400"},
        {OK "Content-Length: 0\r\n\r\nextra\r\n", "200 1.1 OK length:0 keep | !bad_version 400"},
    };
    for (const row& r : rows) {
        CAPTURE(r.input);
        CHECK(decode(r.input) == r.expected);
    }
}

TEST_CASE("responses to HEAD and CONNECT have no content, whatever their fields say") {
    const row head[] = {
        {OK "Content-Length: 5\r\n\r\n" OK "\r\n", "200 1.1 OK none keep | 200 1.1 OK none keep"},
        {OK "Transfer-Encoding: chunked\r\n\r\n", "200 1.1 OK none keep"},
        {"HTTP/1.1 404 x\r\n\r\n", "404 1.1 x none keep"},
        {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "!transfer_encoding_and_content_length 400"},
    };
    for (const row& r : head) {
        CAPTURE(r.input);
        CHECK(decode(r.input, method::head) == r.expected);
    }
    const row connect[] = {
        {OK "\r\nabc", "200 1.1 OK upgrade keep | rest:3"},
        {OK "Content-Length: 5\r\n\r\nabc", "200 1.1 OK upgrade keep | rest:3"},
        {"HTTP/1.1 299 x\r\nTransfer-Encoding: chunked\r\n\r\n", "299 1.1 x upgrade keep | rest:0"},
        {"HTTP/1.1 407 x\r\nContent-Length: 2\r\n\r\nno", "407 1.1 x length:2 keep \"no\""},
        {"HTTP/1.1 502 x\r\n\r\nno", "502 1.1 x until_close close \"no\""},
    };
    for (const row& r : connect) {
        CAPTURE(r.input);
        CHECK(decode(r.input, method::connect) == r.expected);
    }
}

TEST_CASE("limits of a response refuse the first byte too many, however it is cut") {
    const h1::limits limits{.start_line = 15, .header_block = 30, .fields = 2, .body = 3};
    const row rows[] = {
        {OK "\r\nabc", "200 1.1 OK until_close close \"abc\""},
        {OK "\r\nabcd", "200 1.1 OK until_close close | !body_too_large 413"},
        {"HTTP/1.1 200 OKK\r\n\r\n", "!status_line_too_long 502"},
        {OK "Content-Length: 4\r\n\r\nabcd", "!body_too_large 413"},
        {OK "Content-Length: 3\r\n\r\nabc", "200 1.1 OK length:3 keep \"abc\""},
        {OK "A:\r\nB:\r\nC:\r\n\r\n", "!too_many_fields 431"},
        {OK "X: 45678901234567890123456789\r\n\r\n", "!header_too_large 431"},
    };
    for (const row& r : rows) {
        CAPTURE(r.input);
        CHECK(decode(r.input, method::get, limits) == r.expected);
    }
    // A response to HEAD may name any length.
    CHECK(decode(OK "Content-Length: 400\r\n\r\n", method::head, limits) == "200 1.1 OK none keep");
}

TEST_CASE("a response keeps its phrase and fields") {
    CHECK(decode("HTTP/1.1 200 Fine \r\nA: 1\r\nContent-Length:0\r\na: 2\r\n\r\n", method::get, {},
                 true) == "200 1.1 Fine  length:0 keep {A=1}{Content-Length=0}{a=2}");
}
