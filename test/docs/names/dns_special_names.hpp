#pragma once

#include <weft/dns/special_names.hpp>
#include <weft/dns/system_resolver.hpp>

struct names_dns_special_names : names {
    using names::names;
};
