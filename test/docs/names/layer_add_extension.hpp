#pragma once

struct tenant {
    std::string name;
};
