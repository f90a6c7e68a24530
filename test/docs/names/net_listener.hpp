#pragma once

struct names_net_listener : names {
    using names::names;
    static weft::task_scope& scope;
    static weft::awaitable<void> serve(io::stream);
};
// compile only: net::tcp::listener listener
// compile only: net::listener listener(ex
