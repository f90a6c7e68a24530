#pragma once

struct names_net_unix_datagram : names {
    using names::names;
    std::array<char, 16> memory{};
};
// compile only: net::unix_domain::datagram_socket
