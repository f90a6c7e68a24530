#pragma once

struct names_core_tick_source : names {
    using names::names;
    std::string peer = "192.0.2.7:443";
};
