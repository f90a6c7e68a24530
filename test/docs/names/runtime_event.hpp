#pragma once

struct names_runtime_event : names {
    using names::names;
    static weft::task_scope& s;
    static weft::awaitable<void> load_config(weft::event&);
};
// compile only: event ready;
