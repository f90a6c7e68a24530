#pragma once

#include <weft/net/inherited.hpp>
#include <weft/net/listen_socket.hpp>

struct names_net_inherited : names {
    using names::names;
    net::listen_socket web{"127.0.0.1:0"};
};
