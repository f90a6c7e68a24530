#pragma once

#include <weft/net/tcp.hpp>

#include <fmt/core.h>

// compile only: pool.statistics().open

struct names_http_pool : names {
    using names::names;
    http::client_options options;
};
