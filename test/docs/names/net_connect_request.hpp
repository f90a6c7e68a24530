#pragma once

struct names_net_connect_request : names {
    using names::names;
    struct {
        weft::awaitable<io::stream> serve(net::connect_request) const {
            co_return io::duplex(co_await asio::this_coro::executor).first;
        }
    } connect;
};
