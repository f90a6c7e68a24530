#pragma once

struct names_layer_hijack : names {
    using names::names;
    report_weather health, plain, secured;
};
