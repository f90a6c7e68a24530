#pragma once

struct names_runtime_run_on : names {
    using names::names;
    struct {
        asio::any_io_executor executor;
        asio::any_io_executor get_executor() const { return executor; }
        weft::awaitable<weft::bytes> pull() { co_return weft::bytes(std::string("chunk")); }
    } connection{ex};
};
