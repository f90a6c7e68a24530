#pragma once

struct names_layer_timeout : names {
    using names::names;
    net::tcp::connector connector;
};
