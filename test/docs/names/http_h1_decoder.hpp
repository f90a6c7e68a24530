#pragma once

#include <weft/http/h1/body.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>

struct names_http_h1_decoder : names {
    using names::names;
    struct {
        std::string text = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";
        std::size_t received = 10;
        std::string_view view() const { return std::string_view(text).substr(0, received); }
        void read_more() { received = text.size(); }
        void consume(std::size_t n) { text.erase(0, n), received -= n; }
    } buffer;
    static int answer(http::status) { return 1; }
};
