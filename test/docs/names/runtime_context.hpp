#pragma once

struct names_runtime_context : names {
    using names::names;
    using entry = weft::deadlines::entry;
    static void on_limit(entry&) noexcept {}
};
