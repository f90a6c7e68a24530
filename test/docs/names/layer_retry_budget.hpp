#pragma once

struct names_layer_retry_budget : names {
    using names::names;
    http::client client_a{report_weather{}}, client_b{report_weather{}};
};
