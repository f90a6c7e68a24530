#pragma once

struct names_http_body : names {
    using names::names;
    std::size_t total = 0;
};
