#pragma once

#include <weft/dns/default_resolver.hpp>

struct names_dns_default_resolver : names {
    using names::names;
};
