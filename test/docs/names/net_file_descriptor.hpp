#pragma once

#include <fcntl.h>
#include <unistd.h>

struct names_net_file_descriptor : names {
    using names::names;
    const char* text = "";
    std::size_t size = 0;
};
// compile only: net::file_descriptor log
