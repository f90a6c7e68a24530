#pragma once

struct names_net_udp : names {
    using names::names;
    std::array<char, 16> memory{};
};
// compile only: net::udp::socket socket
