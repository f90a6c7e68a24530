#pragma once

struct names_runtime_deadlines : names {
    using names::names;
    weft::deadlines::entry limit{weft::context_info::of(ex).deadlines(), ex,
                                 [](weft::deadlines::entry&) noexcept {}};
};
