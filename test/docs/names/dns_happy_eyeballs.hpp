#pragma once

// compile only: dns::happy_eyeballs

#include <weft/dns/connector.hpp>
#include <weft/dns/happy_eyeballs.hpp>

struct names_dns_happy_eyeballs : names {
    using names::names;
};
