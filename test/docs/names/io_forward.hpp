#pragma once

struct names_io_forward : names {
    using names::names;
    io::stream down = std::move(stream);
    static void log(std::string_view, std::uint64_t, std::uint64_t) {}
};
// compile only: io::forward(std::move(down)
