#pragma once

// compile only: receive_descriptors
// compile only: send_descriptors
// compile only: peer_credentials

#include <weft/net/unix.hpp>

struct names_net_unix : names {
    using names::names;
    net::file_descriptor log;
    std::array<char, 64> memory{};
};
