#pragma once

struct names_runtime_wait : names {
    using names::names;
    std::source_location where = std::source_location::current();
    static weft::awaitable<void> suspended() { co_return; }
};
