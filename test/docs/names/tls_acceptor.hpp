#pragma once

struct names_tls_acceptor : names {
    using names::names;
    static weft::tls::server_config& config;
};
// compile only: tls::accept(
// compile only: tls::acceptor(config)
