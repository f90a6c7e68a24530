#pragma once

#include <weft/core/logfmt_observer.hpp>

struct names_core_observe : names {
    using names::names;
    std::string peer = "192.0.2.7:443";
    http::request connection{http::method::get, "/"};  // anything with extensions
};
