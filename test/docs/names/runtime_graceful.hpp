#pragma once

struct names_runtime_graceful : names {
    using names::names;
    weft::event drained;
    static weft::awaitable<void> accept_connections();
};
// compile only: co_await graceful
