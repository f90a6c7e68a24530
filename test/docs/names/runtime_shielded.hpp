#pragma once

struct names_runtime_shielded : names {
    using names::names;
    static weft::awaitable<void> serve(io::stream&) { co_return; }
};
