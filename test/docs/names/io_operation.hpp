#pragma once

struct names_io_operation : names {
    using names::names;
};
