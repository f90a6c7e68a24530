#pragma once

struct names_net_matcher : names {
    using names::names;
    report_weather forbidden, admin;
};
