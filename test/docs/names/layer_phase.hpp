#pragma once

struct names_layer_phase : names {
    using names::names;
    weft::clock clock;
    weft::semaphore seats{1};
};
