#pragma once

struct names_layer_retry : names {
    using names::names;
    net::tcp::connector connector;
};
