#pragma once

struct names_core_deadline : names {
    using names::names;
    weft::clock clock;
    static http::response too_late() { return http::text("too late", 504); }
};
