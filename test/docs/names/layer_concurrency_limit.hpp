#pragma once

struct names_layer_concurrency_limit : names {
    using names::names;
    report_weather query;
};
