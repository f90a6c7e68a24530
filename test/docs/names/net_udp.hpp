#pragma once

// compile only: socket.receive(asio::buffer(memory))

#include <weft/net/udp.hpp>

struct names_net_udp : names {
    using names::names;
    std::array<char, 64> memory{};
};
