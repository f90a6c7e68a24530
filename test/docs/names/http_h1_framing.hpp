#pragma once

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>

struct names_http_h1_framing : names {
    using names::names;
    http::h1::request_decoder decoder;
};
