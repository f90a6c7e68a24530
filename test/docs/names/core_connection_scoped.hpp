#pragma once

#include <weft/core/connection_scoped.hpp>

struct names_core_connection_scoped : names {
    using names::names;
    struct pool_key {
        std::string authority;
        decltype(weft::connection_scoped_of(std::declval<weft::extensions&>())) scope;
    };
    struct {
        int* find(const pool_key&) { return nullptr; }
    } pool;
    std::string authority = "api.test:80";
    http::request connection{http::method::get, "/"};  // anything with extensions
};
