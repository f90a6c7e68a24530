#pragma once

struct names_net_unix : names {
    using names::names;
    net::file_descriptor log;
    std::array<char, 16> memory{};
};
// compile only: net::peer_credentials
// compile only: net::unix_domain::connector(
// compile only: net::unix_domain::send_descriptors
// compile only: net::unix_domain::receive_descriptors
