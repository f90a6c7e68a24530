#pragma once

struct names_io_prefixed : names {
    using names::names;
    weft::bytes read_ahead = std::string("GET ");
    io::stream connection = std::move(stream);
};
