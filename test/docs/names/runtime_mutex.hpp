#pragma once

struct names_runtime_mutex : names {
    using names::names;
    weft::bytes frame = std::string("frame");
};
