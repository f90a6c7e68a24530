#pragma once

struct names_core_bytes : names {
    using names::names;
    struct {
        weft::awaitable<void> write(weft::bytes) { co_return; }
    } body;
};
