#pragma once

#include <weft/net/listen_socket.hpp>

struct names_net_inherited : names {
    using names::names;
    net::listen_socket web;
};
// compile only: net::take_inherited
