#pragma once

struct names_layer_backoff : names {
    using names::names;
    weft::seeded_entropy random{1};
};
