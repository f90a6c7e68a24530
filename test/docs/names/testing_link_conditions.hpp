#pragma once

struct names_testing_link_conditions : names {
    using names::names;
    weft::testing::network net{ex};
};
