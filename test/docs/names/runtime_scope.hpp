#pragma once

struct names_runtime_scope : names {
    using names::names;
    net::tcp::listener& listener;
    static weft::awaitable<void> heartbeat(io::stream&);
    static weft::awaitable<void> serve(io::stream);
    static void log_it(const weft::failure&) {}
};
// compile only: s.spawn(heartbeat(peer));
