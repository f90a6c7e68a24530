#pragma once

#include <algorithm>

struct names_runtime_entropy : names {
    using names::names;
    std::vector<int> v{1, 2, 3};
};
