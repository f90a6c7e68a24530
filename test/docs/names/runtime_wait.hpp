#pragma once

struct names_runtime_wait : names {
    using names::names;
    weft::context_info& info = weft::context_info::of(ex);
    std::source_location where = std::source_location::current();
    static weft::awaitable<void> suspended() { co_return; }
};
