#pragma once

struct names_net_endpoint : names {
    using names::names;
    net::serve_options options;
    static void log(const std::string&) {}
};
