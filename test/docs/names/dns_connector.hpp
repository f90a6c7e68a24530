#pragma once

#include <weft/dns/connector.hpp>

struct names_dns_connector : names {
    using names::names;
};
