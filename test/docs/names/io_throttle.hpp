#pragma once

struct names_io_throttle : names {
    using names::names;
    io::stream connection = std::move(peer);
};
