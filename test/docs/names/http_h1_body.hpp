#pragma once

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>

struct names_http_h1_body : names {
    using names::names;
    using event = http::h1::body_step::event;
    http::h1::request_decoder decoder = decoded();
    std::string_view in = "5\r\nhello\r\n0\r\n\r\n";
    static std::string_view read_more() { return {}; }
    static int refuse(const http::h1::error&) { return 1; }
    static http::h1::request_decoder decoded();
};
// compile only: h1::body_decoder body
