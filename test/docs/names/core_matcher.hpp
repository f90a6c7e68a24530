#pragma once

struct names_core_matcher : names {
    using names::names;
    report_weather go_away;
};
