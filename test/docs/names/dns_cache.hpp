#pragma once

#include <weft/dns/cache.hpp>
#include <weft/dns/special_names.hpp>
#include <weft/dns/system_resolver.hpp>

struct names_dns_cache : names {
    using names::names;
};
