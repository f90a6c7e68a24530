#pragma once

struct names_http_layer_matcher : names {
    using names::names;
    report_weather v2;
};
