#pragma once

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>

struct names_http_h1_encoder : names {
    using names::names;
    std::string out, clock_text = "Sun, 06 Nov 1994 08:49:37 GMT";
    http::response_head head{http::status::ok};
};
