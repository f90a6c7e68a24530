#pragma once

struct names_runtime_channel : names {
    using names::names;
    struct job {
        int number;
        weft::awaitable<void> run() { co_return; }
    };
    static weft::task_scope& s;
};
// compile only: channel<job> jobs
