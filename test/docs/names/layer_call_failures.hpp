#pragma once

struct inventory {
    bool empty() const { return true; }
};
