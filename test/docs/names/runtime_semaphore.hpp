#pragma once

struct names_runtime_semaphore : names {
    using names::names;
    static weft::awaitable<http::response> fetch(std::string) { co_return http::text("x"); }
};
