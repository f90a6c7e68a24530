#pragma once

#include <weft/dns/default_resolver.hpp>
#include <weft/dns/overrides.hpp>

struct names_dns_overrides : names {
    using names::names;
};
