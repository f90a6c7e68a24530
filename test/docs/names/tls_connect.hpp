#pragma once

struct names_tls_connect : names {
    using names::names;
    static weft::tls::client_config& config;
};
// compile only: tls::handshake(
// compile only: tls::connect(config)
