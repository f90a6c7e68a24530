#pragma once

// compile only: for (const http::cookie& c
// compile only: http::follow_redirects()

#include <weft/http/cookie_jar.hpp>
#include <weft/http/layer/redirect.hpp>

struct names_http_cookie_jar : names {
    using names::names;
    http::cookie_jar jar;
    void log(const std::string&) {}
};
