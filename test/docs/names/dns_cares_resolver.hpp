#pragma once

// compile only: dns::cares_resolver

#include <weft/dns/cache.hpp>
#include <weft/dns/cares_resolver.hpp>
#include <weft/dns/special_names.hpp>

struct names_dns_cares_resolver : names {
    using names::names;
};
