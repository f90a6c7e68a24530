#pragma once

struct names_http_serve : names {
    using names::names;
    asio::thread_pool pool{1};
    asio::cancellation_signal stop;
    static void print(const net::endpoint&) {}
    static void handler(std::exception_ptr) {}
};
