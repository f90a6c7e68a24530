#pragma once

// sketch: shop.test:80 established

struct names_testing_network : names {
    using names::names;
    weft::testing::network net{ex};
};
