#pragma once

#include <weft/dns/answer.hpp>

struct names_dns_answer : names {
    using names::names;
};
