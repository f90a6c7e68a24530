#pragma once

struct names_tls_server_config : names {
    using names::names;
    static weft::awaitable<void> echo(io::stream) { co_return; }
};
// compile only: tls::identity::from_files
