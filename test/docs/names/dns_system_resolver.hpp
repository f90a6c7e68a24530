#pragma once

// compile only: dns::system_resolver

#include <weft/dns/system_resolver.hpp>

struct names_dns_system_resolver : names {
    using names::names;
};
