#pragma once

// compile only: http::follow_redirects()

#include <weft/http/layer/decompress.hpp>
#include <weft/http/layer/redirect.hpp>

struct names_http_layer_redirect : names {
    using names::names;
    void log(const std::string&) {}
};
