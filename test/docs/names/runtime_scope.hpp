#pragma once

struct names_runtime_scope : names {
    using names::names;
    static net::tcp::listener& listener;
    static weft::awaitable<void> heartbeat(io::stream&);
    static weft::awaitable<void> serve(io::stream);
    static void log_it(const weft::failure&, std::source_location) {}
};
// compile only: s.spawn(heartbeat(peer));
