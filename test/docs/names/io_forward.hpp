#pragma once

// compile only: io::forward(std::move(down)

struct names_io_forward : names {
    using names::names;
    io::stream down;
};
