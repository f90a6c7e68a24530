#pragma once

struct names_io_duplex : names {
    using names::names;
    struct {
        asio::any_io_executor executor;
        asio::any_io_executor get_executor() const { return executor; }
    } ctx{ex};
    std::array<char, 16> memory{};
};
