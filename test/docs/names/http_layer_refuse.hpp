#pragma once

struct names_http_layer_refuse : names {
    using names::names;
    weft::failure why{weft::failure_kind::rejected, "full"};
};
