#pragma once

#include <weft/http/beast.hpp>

#include <boost/beast/http/dynamic_body.hpp>

namespace beast = boost::beast;

struct names_http_beast : names {
    using names::names;
    http::request r{http::method::get, "/"};
    static beast::http::response<beast::http::string_body> handle_request(
        beast::http::request<beast::http::string_body> m) {
        return {beast::http::status::ok, m.version()};
    }
};
