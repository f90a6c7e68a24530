#pragma once

// compile only: http::decompress()

#include <weft/http/layer/decompress.hpp>

struct names_http_layer_decompress : names {
    using names::names;
};
