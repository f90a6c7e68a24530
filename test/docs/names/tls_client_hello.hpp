#pragma once

struct names_tls_client_hello : names {
    using names::names;
    std::string seen;
    static void route(const std::string&) {}
    static std::string backend_of(const weft::tls::client_hello& hello) {
        return hello.server_name;
    }
    static weft::awaitable<void> forward(io::stream, std::string) { co_return; }
};
// compile only: tls::peek_client_hello
