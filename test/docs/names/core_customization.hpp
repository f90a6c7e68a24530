#pragma once

struct attempt_number {
    int value;
};
