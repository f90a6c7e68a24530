#pragma once

#include <weft/net/connect_attempts.hpp>

struct names_net_connect_attempts : names {
    using names::names;
    void log(const std::string&) {}
};
