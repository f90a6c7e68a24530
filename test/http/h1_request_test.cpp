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

std::string decode(std::string_view input, const h1::limits& limits = {},
                   bool show_fields = false) {
    return testing::splits(input, [&](std::span<const std::string_view> pieces) {
        return h1::test::transcript<h1::request_decoder>(pieces, limits, show_fields);
    });
}

void run(std::span<const row> rows) {
    for (const row& r : rows) {
        CAPTURE(r.input);
        CHECK(decode(r.input) == r.expected);
    }
}

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

}  // namespace

TEST_CASE("requests that are accepted, whole and at every cut") {
    const row rows[] = {
        {GET H "\r\n", "GET / 1.1 none keep"},
        {GET "Host:a\r\n\r\n", "GET / 1.1 none keep"},
        {GET "hOST: \t a \t \r\n\r\n", "GET / 1.1 none keep"},
        {"\r\n" GET H "\r\n", "GET / 1.1 none keep"},
        {"\r\n\r\n" GET H "\r\n", "GET / 1.1 none keep"},
        {"GET / HTTP/1.0\r\n\r\n", "GET / 1.0 none close"},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 1.0 none keep"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / 1.0 none close"},
        {"GET / HTTP/1.2\r\n" H "\r\n", "GET / 1.1 none keep"},
        {"GET / HTTP/1.9\r\n" H "\r\n", "GET / 1.1 none keep"},
        {GET H "Connection: close\r\n\r\n", "GET / 1.1 none close"},
        {GET H "Connection: x, CLOSE\r\n\r\n", "GET / 1.1 none close"},
        {GET H "Connection: x\r\nConnection: close\r\n\r\n", "GET / 1.1 none close"},
        {GET H "Connection: closed\r\n\r\n", "GET / 1.1 none keep"},
        {"PURGE /x?y=%20&z={1|2} HTTP/1.1\r\n" H "\r\n", "PURGE /x?y=%20&z={1|2} 1.1 none keep"},
        {"GET http://a/b HTTP/1.1\r\n" H "\r\n", "GET http://a/b 1.1 none keep"},
        {"GET http://A:80/b HTTP/1.1\r\n" H "\r\n", "GET http://A:80/b 1.1 none keep"},
        {"GET http://a?q HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET http://a?q 1.1 none keep"},
        {"GET https://a:443/b HTTP/1.1\r\n" H "\r\n", "GET https://a:443/b 1.1 none keep"},
        {"GET http://a/b HTTP/1.0\r\n\r\n", "GET http://a/b 1.0 none close"},
        {"OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * 1.1 none keep"},
        {"OPTIONS / HTTP/1.1\r\n" H "\r\n", "OPTIONS / 1.1 none keep"},
        {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nabc",
         "CONNECT a:443 1.1 upgrade keep | rest:3"},
        {"CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n",
         "CONNECT [::1]:443 1.1 upgrade keep | rest:0"},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 0\r\n\r\n",
         "CONNECT a:1 1.1 upgrade keep | rest:0"},
        {GET "Host: [::1]:8080\r\n\r\n", "GET / 1.1 none keep"},
        {GET "Host: [v1.x:y]\r\n\r\n", "GET / 1.1 none keep"},
        {GET "Host: a%2Db.example_1:65535\r\n\r\n", "GET / 1.1 none keep"},
        {GET "Host: a:\r\n\r\n", "GET / 1.1 none keep"},
        {GET H "X:\r\nY: \t \r\n\r\n", "GET / 1.1 none keep"},
        {GET H "X: \xc3\xa9\t\xff\r\n\r\n", "GET / 1.1 none keep"},
        {GET H "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n", "GET / 1.1 none keep"},
        {POST "Content-Length: 0\r\n\r\n", "POST / 1.1 length:0 keep"},
        {POST "Content-Length: 3\r\n\r\nabc", "POST / 1.1 length:3 keep \"abc\""},
        {POST "Content-Length: 0003\r\n\r\nabc", "POST / 1.1 length:3 keep \"abc\""},
        {GET H "Content-Length: 1\r\n\r\n\n", "GET / 1.1 length:1 keep \"\n\""},
        {POST "Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n" H "\r\n",
         "POST / 1.1 length:3 keep \"abc\" | GET /2 1.1 none keep"},
        {POST "Content-Length: 2\r\n\r\nab\r\nGET /2 HTTP/1.1\r\n" H "\r\n",
         "POST / 1.1 length:2 keep \"ab\" | GET /2 1.1 none keep"},
        {GET H "\r\n" GET H "\r\n" GET "H", "GET / 1.1 none keep | GET / 1.1 none keep | ..."},
        {POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
         "POST / 1.1 length:1 keep expect \"x\""},
        {POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
         "POST / 1.1 length:1 keep expect? \"x\""},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
         "POST / 1.0 length:1 close \"x\""},
        {GET H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / 1.1 none keep upgrade"},
        {GET H "Connection: keep-alive, Upgrade\r\nUpgrade: a/1, b\r\n\r\n",
         "GET / 1.1 none keep upgrade"},
        {GET H "Upgrade: websocket\r\n\r\n", "GET / 1.1 none keep"},
        {GET H "Connection: upgrade\r\n\r\n", "GET / 1.1 none keep"},
        {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET / 1.0 none close"},
        {"M-SEARCH-AND-DESTROY-12 / HTTP/1.1\r\n", "!method_too_long 501"},
        {"GE", "..."},
        {"\r", "..."},
        {"", ""},
    };
    run(rows);
}

TEST_CASE("requests that are refused, each for its reason, whole and at every cut") {
    const row rows[] = {
        // lines
        {"GET / HTTP/1.1\n" H "\r\n", "!bare_lf 400"},
        {GET "Host: a\n\r\n", "!bare_lf 400"},
        {GET H "\n", "!bare_lf 400"},
        {"\nGET / HTTP/1.1\r\n" H "\r\n", "!bare_lf 400"},
        {"\rGET / HTTP/1.1\r\n" H "\r\n", "!bare_cr 400"},
        {"GET / HTTP/1.1\rX\r\n" H "\r\n", "!bare_cr 400"},
        {"GET /\r HTTP/1.1\r\n" H "\r\n", "!bare_cr 400"},
        {GET H "X: a\rb\r\n\r\n", "!bare_cr 400"},
        {GET H "X: a\r\r\n\r\n", "!bare_cr 400"},
        {GET H "X\r: a\r\n\r\n", "!bare_cr 400"},
        {GET H "\rX: a\r\n\r\n", "!bare_cr 400"},
        {GET H "X: \0\r\n\r\n"sv, "!control_character 400"},
        {GET H "X: \x7f\r\n\r\n", "!control_character 400"},
        {GET H "X: \x1b[2J\r\n\r\n", "!control_character 400"},
        {GET H "X\0: a\r\n\r\n"sv, "!control_character 400"},
        {"GET /\0 HTTP/1.1\r\n"sv, "!control_character 400"},
        {"\x16\x03\x01\x02\x00\x01"sv, "!control_character 400"},
        {GET " Host: a\r\n\r\n", "!leading_whitespace 400"},
        {GET "\tHost: a\r\n\r\n", "!leading_whitespace 400"},
        {GET H " b\r\n\r\n", "!obs_fold 400"},
        {GET H "X: a\r\n\tb\r\n\r\n", "!obs_fold 400"},
        {GET H " \r\n\r\n", "!obs_fold 400"},
        {GET "Host : a\r\n\r\n", "!space_before_colon 400"},
        {GET H "Content-Length\t: 3\r\n\r\nabc", "!space_before_colon 400"},
        {GET H "X Y: a\r\n\r\n", "!space_before_colon 400"},
        {GET H ": a\r\n\r\n", "!bad_field_name 400"},
        {GET H "X(: a\r\n\r\n", "!bad_field_name 400"},
        {GET H "X\xc3\xa9: a\r\n\r\n", "!bad_field_name 400"},
        {GET H "\"X\": a\r\n\r\n", "!bad_field_name 400"},
        {GET H "X\r\n\r\n", "!missing_colon 400"},
        {GET H "GET /smuggled HTTP/1.1\r\n\r\n", "!space_before_colon 400"},
        // start line
        {"\r\n\r\n\r\n" GET H "\r\n", "!too_many_empty_lines 400"},
        {"GET /\r\n\r\n", "!bad_request_line 400"},
        {"GET\r\n\r\n", "!bad_request_line 400"},
        {"GET  / HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET /  HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET /\tHTTP/1.1\r\n\r\n", "!bad_request_line 400"},
        {" GET / HTTP/1.1\r\n\r\n", "!bad_method 400"},
        {"G(T / HTTP/1.1\r\n\r\n", "!bad_method 400"},
        {"G\xc3T / HTTP/1.1\r\n\r\n", "!bad_method 400"},
        {"GET: / HTTP/1.1\r\n\r\n", "!bad_method 400"},
        {"ABCDEFGHIJKLMNOPQRSTUVW / HTTP/1.1\r\n\r\n", "!method_too_long 501"},
        {"GET /a b HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET /a#b HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET * HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"OPTIONS *a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET a:80 HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET mailto:a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET ://a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET 1http://a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET http:// HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET http:///x HTTP/1.1\r\n\r\n", "!bad_target 400"},
        {"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "!bad_target 400"},
        {"GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!bad_target 400"},
        {"CONNECT / HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"CONNECT a HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"CONNECT a: HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"CONNECT http://a:80/ HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"CONNECT a:70000 HTTP/1.1\r\n\r\n", "!target_form 400"},
        {"GET / http/1.1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/1.10\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/1,1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/01.1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/x.1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/1.1 \r\n\r\n", "!bad_version 400"},
        {"GET / XTTP/1.1\r\n\r\n", "!bad_version 400"},
        {"GET / HTTP/2.0\r\n\r\n", "!unsupported_version 505"},
        {"GET / HTTP/0.9\r\n\r\n", "!unsupported_version 505"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!unsupported_version 505"},
        // Host
        {GET "\r\n", "!missing_host 400"},
        {"GET http://a/ HTTP/1.1\r\n\r\n", "!missing_host 400"},
        {GET H H "\r\n", "!multiple_hosts 400"},
        {"GET / HTTP/1.0\r\n" H "host: b\r\n\r\n", "!multiple_hosts 400"},
        {GET "Host:\r\n\r\n", "!bad_host 400"},
        {GET "Host: a b\r\n\r\n", "!bad_host 400"},
        {GET "Host: a,b\r\n\r\n", "GET / 1.1 none keep"},  // sub-delims are part of a reg-name
        {GET "Host: a/b\r\n\r\n", "!bad_host 400"},
        {GET "Host: u@a\r\n\r\n", "!bad_host 400"},
        {GET "Host: a:b\r\n\r\n", "!bad_host 400"},
        {GET "Host: a:65536\r\n\r\n", "!bad_host 400"},
        {GET "Host: a:80:80\r\n\r\n", "!bad_host 400"},
        {GET "Host: :80\r\n\r\n", "!bad_host 400"},
        {GET "Host: a%2\r\n\r\n", "!bad_host 400"},
        {GET "Host: [::1\r\n\r\n", "!bad_host 400"},
        {GET "Host: [::1]x\r\n\r\n", "!bad_host 400"},
        {GET "Host: [g::]\r\n\r\n", "!bad_host 400"},
        {GET "Host: \xc3\xa9\r\n\r\n", "!bad_host 400"},
        {"GET http://b/ HTTP/1.1\r\n" H "\r\n", "!host_mismatch 400"},
        {"GET http://a:81/ HTTP/1.1\r\n" H "\r\n", "!host_mismatch 400"},
        {"GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "!host_mismatch 400"},
        // framing
        {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "!multiple_content_lengths 400"},
        {POST "Content-Length: 3\r\ncontent-length: 4\r\n\r\nabc", "!multiple_content_lengths 400"},
        {POST "Content-Length: 3, 3\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: 3,\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length:\r\n\r\n", "!bad_content_length 400"},
        {POST "Content-Length: +3\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: -3\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: 0x3\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: 3 3\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: 3.0\r\n\r\nabc", "!bad_content_length 400"},
        {POST "Content-Length: 18446744073709551616\r\n\r\n", "!content_length_overflow 400"},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", "!content_length_overflow 400"},
        {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "!transfer_encoding_and_content_length 400"},
        {POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
         "!transfer_encoding_and_content_length 400"},
        {POST "Transfer-Encoding: x\r\nContent-Length: 3\r\n\r\nabc",
         "!transfer_encoding_and_content_length 400"},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "!transfer_encoding_in_http_1_0 400"},
        {POST "Transfer-Encoding: identity\r\n\r\n", "!chunked_not_last 400"},
        {POST "Transfer-Encoding: gzip\r\n\r\n", "!chunked_not_last 400"},
        {POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "!chunked_not_last 400"},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
         "!chunked_not_last 400"},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", "!chunked_not_last 400"},
        {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding:\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: ,chunked\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: chunked,\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: chunked;q=1\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: chunked \x0b\r\n\r\n", "!control_character 400"},
        {POST "Transfer-Encoding: chun ked\r\n\r\n", "!bad_transfer_encoding 400"},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!unknown_transfer_coding 501"},
        {POST "Transfer-Encoding: identity, chunked\r\n\r\n", "!unknown_transfer_coding 501"},
        {"CONNECT a:1 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "!content_with_connect 400"},
        {"CONNECT a:1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
         "!content_with_connect 400"},
        {POST "Content-Length: 3\r\n\r\nab", "POST / 1.1 length:3 keep | !truncated 400"},
    };
    run(rows);
}

TEST_CASE("chunked content, whole and at every cut") {
    const std::string_view ok = "POST / 1.1 chunked keep";
    const row rows[] = {
        {"0\r\n\r\n", ""},
        {"000\r\n\r\n", ""},
        {"3\r\nabc\r\n0\r\n\r\n", " \"abc\""},
        {"0003\r\nabc\r\n0\r\n\r\n", " \"abc\""},
        {"a\r\n0123456789\r\nB\r\n0123456789A\r\n0\r\n\r\n", " \"01234567890123456789A\""},
        {"2\r\n\r\n\r\n0\r\n\r\n", " \"\r\n\""},
        {"1;a\r\nx\r\n0;b=c\r\n\r\n", " \"x\""},
        {"1;a=\"q \\\" ;\r\"\r\nx\r\n0\r\n\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\"q \\\" ;\"; b ; c = d;e\r\nx\r\n0\r\n\r\n", " \"x\""},
        {"0\r\nX: 1\r\ny:2\r\n\r\n", " {X=1}{y=2}"},
        {"0\r\nContent-Length: 5\r\nX: 1\r\nTransfer-Encoding: chunked\r\nHost: b\r\nTrailer: "
         "x\r\n\r\n",
         " {X=1}"},
        {"0\r\nAuthorization: s\r\nContent-Type: t\r\nSet-Cookie: c\r\nETag: e\r\n\r\n",
         " {ETag=e}"},
        {"1\r\nx\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", " \"x\" | GET /2 1.1 none keep"},
        // sizes
        {"\r\n", " | !bad_chunk_size 400"},
        {"x\r\n", " | !bad_chunk_size 400"},
        {" 1\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"1 \r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"1 ;a\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"1\t\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"+1\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"-1\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"0x1\r\nx\r\n0\r\n\r\n", " | !bad_chunk_size 400"},
        {"1g\r\n", " | !bad_chunk_size 400"},
        {";a\r\n", " | !bad_chunk_size 400"},
        {"\0011\r\n", " | !bad_chunk_size 400"},
        {"1,1\r\n", " | !bad_chunk_size 400"},
        {"10000000000000000\r\n", " | !chunk_size_overflow 400"},
        {"00000000000000001\r\n", " | !chunk_size_overflow 400"},
        {"ffffffffffffffff\r\nx", " | !truncated 400"},
        {"1\r\nx\r\nffffffffffffffff\r\nx", " | !body_too_large 413"},
        {"1\nx\r\n0\r\n\r\n", " | !bare_lf 400"},
        {"\n", " | !bare_lf 400"},
        {"1\rx\r\n0\r\n\r\n", " | !bare_cr 400"},
        {"1\r\r\nx\r\n0\r\n\r\n", " | !bare_cr 400"},
        // data
        {"3\r\nabcd\r\n0\r\n\r\n", " | !bad_chunk_end 400"},
        {"3\r\nab\r\n0\r\n\r\n", " | !bad_chunk_end 400"},
        {"3\r\nabc\n0\r\n\r\n", " | !bad_chunk_end 400"},
        {"3\r\nabc\r0\r\n\r\n", " | !bad_chunk_end 400"},
        {"3\r\nabc0\r\n\r\n", " | !bad_chunk_end 400"},
        // extensions
        {"1;\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;;a\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=b=c\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a \r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=b \r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a b\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\"b\"c\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\"\x01\"\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\"\\\x01\"\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a=\"b\r\nx\r\n", " | !bad_chunk_extension 400"},
        {"1;a\nx\r\n", " | !bare_lf 400"},
        {"1;a\rx\r\n", " | !bare_cr 400"},
        // trailers
        {"0\r\n X: 1\r\n\r\n", " | !leading_whitespace 400"},
        {"0\r\nX: 1\r\n 2\r\n\r\n", " | !obs_fold 400"},
        {"0\r\nX : 1\r\n\r\n", " | !space_before_colon 400"},
        {"0\r\nX\r\n\r\n", " | !missing_colon 400"},
        {"0\r\nX: 1\n\r\n", " | !bare_lf 400"},
        {"0\r\n\n", " | !bare_lf 400"},
        {"0\r\nX: \0\r\n\r\n"sv, " | !control_character 400"},
        {"0\r\nX: 1\r\n\rY", " | !bare_cr 400"},
        {"0\r\nGET / HTTP/1.1\r\n\r\n", " | !space_before_colon 400"},
        {"0\r\n", " | !truncated 400"},
        {"0\r\nX: 1\r\n", " | !truncated 400"},
        {"", " | !truncated 400"},
        {"3\r\nab", " | !truncated 400"},
    };
    for (const row& r : rows) {
        CAPTURE(r.input);
        CHECK(decode(CHUNKED + std::string(r.input)) == std::string(ok) + std::string(r.expected));
    }
    // Codings may be spelled in any case, on any line.
    CHECK(decode(POST "transfer-ENCODING:CHUNKED\r\n\r\n0\r\n\r\n") == ok);
}

TEST_CASE("limits of a request refuse the first byte too many, however it is cut") {
    const h1::limits limits{.start_line = 20,
                            .header_block = 40,
                            .fields = 3,
                            .empty_lines = 0,
                            .body = 4,
                            .chunk_extension = 8};
    const row rows[] = {
        {"GET /45678 HTTP/1.1x", "..."},
        {"GET /456789 HTTP/1.1\r\n" H "\r\n", "GET /456789 1.1 none keep"},
        {"GET /456789a HTTP/1.1\r\n" H "\r\n", "!request_line_too_long 414"},
        {"GET /456789012345678901234567890", "!request_line_too_long 414"},
        {"GET /456789\x01 HTTP/1.1\r\n", "!control_character 400"},
        {"\r\n" GET, "!too_many_empty_lines 400"},
        // 40 bytes with the empty line
        {GET H "X: 456789012345678901234567\r\n\r\n", "GET / 1.1 none keep"},
        {GET H "X: 4567890123456789012345678\r\n\r\n", "!header_too_large 431"},
        {GET H "X: 45678901234567890123456789\r\n\r\n", "!header_too_large 431"},
        {GET H "X: 4567890123456789012345678901234567890", "!header_too_large 431"},
        {GET H "X4567890123456789012345678901234567890", "!header_too_large 431"},
        {GET H "A:\r\nB:\r\n\r\n", "GET / 1.1 none keep"},
        {GET H "A:\r\nB:\r\nC:\r\n\r\n", "!too_many_fields 431"},
        {POST "Content-Length: 4\r\n\r\nabcd", "POST / 1.1 length:4 keep \"abcd\""},
        {POST "Content-Length: 5\r\n\r\nabcde", "!body_too_large 413"},
    };
    for (const row& r : rows) {
        CAPTURE(r.input);
        CHECK(decode(r.input, limits) == r.expected);
    }
    h1::limits wider = limits;
    wider.header_block = 80;
    const row chunked[] = {
        {"4\r\nabcd\r\n0\r\n\r\n", " \"abcd\""},
        {"5\r\nabcde\r\n0\r\n\r\n", " | !body_too_large 413"},
        {"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", " | !body_too_large 413"},
        {"1;a=34567\r\nx\r\n0\r\n\r\n", " \"x\""},
        {"1;a=345678\r\nx\r\n0\r\n\r\n", " | !chunk_extension_too_long 400"},
        {"0\r\nA:\r\nB:\r\nC:\r\n\r\n", " {A=}{B=}{C=}"},
        {"0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", " | !too_many_fields 431"},
        {"0\r\nHost: a\r\nHost: a\r\nHost: a\r\nHost: a\r\n\r\n", " | !too_many_fields 431"},
    };
    for (const row& r : chunked) {
        CAPTURE(r.input);
        CHECK(decode(CHUNKED + std::string(r.input), wider) ==
              "POST / 1.1 chunked keep" + std::string(r.expected));
    }
    const auto trailer = [&](std::size_t n) {
        return decode(CHUNKED "0\r\nX:" + std::string(n, 'v') + "\r\n\r\n", wider);
    };
    CHECK(trailer(74) == "POST / 1.1 chunked keep {X=" + std::string(74, 'v') + "}");
    CHECK(trailer(75) == "POST / 1.1 chunked keep | !header_too_large 431");
}

TEST_CASE("many small chunks with long extensions are refused in the end") {
    std::string input = CHUNKED;
    for (int i = 0; i < 200; ++i) input += "1;" + std::string(900, 'e') + "\r\nx\r\n";
    const std::string_view whole[] = {input};
    CHECK(h1::test::transcript<h1::request_decoder>(whole, {}, false) ==
          "POST / 1.1 chunked keep | !chunk_extension_too_long 400");
}

TEST_CASE("a head keeps its fields as they were sent, also when it outgrows its block") {
    CHECK(decode("GET /x HTTP/1.1\r\nhOST:\ta \r\nX-A: 1\r\nx-a:2\r\nEmpty:\r\n\r\n", {}, true) ==
          "GET /x 1.1 none keep {hOST=a}{X-A=1}{x-a=2}{Empty=}");
    std::string many = GET H, expected = "GET / 1.1 none keep {Host=a}";
    for (int i = 0; i < 99; ++i) {
        const std::string value(static_cast<std::size_t>(i), 'v');
        many += fmt::format("N{}: {}\r\n", i, value);
        expected += fmt::format("{{N{}={}}}", i, value);
    }
    CHECK(decode(many + "\r\n", {}, true) == expected);
    CHECK(decode(many + "One-More: x\r\n\r\n") == "!too_many_fields 431");
    const std::string huge(15000, 'h');
    const std::string head = GET H "Big: " + huge + "\r\n\r\n";
    const std::string_view whole[] = {head};
    CHECK(h1::test::transcript<h1::request_decoder>(whole, {}, true) ==
          "GET / 1.1 none keep {Host=a}{Big=" + huge + "}");
}

TEST_CASE("a decoder knows whether a message has started") {
    h1::request_decoder d;
    CHECK_FALSE(d.started());
    CHECK(d.decode("\r\n") == h1::progress::need_more);
    CHECK_FALSE(d.started());
    CHECK(d.decode("\r\nG") == h1::progress::need_more);
    CHECK(d.started());
    CHECK(d.decode("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest") == h1::progress::complete);
    CHECK(d.consumed() == 29);
    CHECK(d.take_head().headers().get("host") == "a");
    CHECK_FALSE(d.started());
}

TEST_CASE("a decoder does not look again at what it has seen") {
    // Bytes that were looked at turn into ones that would be refused: a second look would see them.
    h1::request_decoder d;
    const std::string head = GET H "X-Name: " + std::string(1000, 'v');
    const std::size_t value = head.size() - 1000;
    std::string input = head.substr(0, value + 1);
    REQUIRE(d.decode(input) == h1::progress::need_more);
    while (input.size() < head.size()) {
        if (input.size() > value + 2) input[input.size() - 2] = '\x01';
        input += 'v';
        REQUIRE(d.decode(input) == h1::progress::need_more);
    }
    CHECK(d.decode(head + "\r\n\r\n") == h1::progress::complete);
    // And a decoder that has not seen them refuses them.
    h1::request_decoder fresh;
    CHECK(fresh.decode(input) == h1::progress::failed);
}

TEST_CASE("an error names the line and the field, never a value") {
    h1::request_decoder d;
    CHECK(d.decode(GET H "X-Secret: hunter2\x01\r\n\r\n") == h1::progress::failed);
    CHECK(d.error().message() == "header line 3 (X-Secret): a control character (byte 0x01)");
    CHECK(d.error().line() == 3);
    CHECK(d.error().field() == "X-Secret");
    CHECK(d.decode("more") == h1::progress::failed);
    d.reset();
    CHECK(d.decode("GET /hunter2#x HTTP/1.1\r\n") == h1::progress::failed);
    CHECK(d.error().message() == "start line: the request target is malformed");
    d.reset();
    CHECK(d.decode(POST "Content-Length: hunter2\r\n\r\n") == h1::progress::failed);
    CHECK(d.error().message() == "Content-Length is not a number");
    for (int i = 0; i <= static_cast<int>(h1::reason::truncated); ++i) {
        const auto why = static_cast<h1::reason>(i);
        CHECK_FALSE(to_string(why).empty());
        CHECK(status_for(why).is_error());
        CHECK_FALSE(h1::error(why, 1).message().empty());
    }
}
