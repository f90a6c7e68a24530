#pragma once

#include <weft/http/testing/connection_suite.hpp>

struct names_http_testing_connection_suite : names {
    using names::names;
    static weft::awaitable<weft::testing::stream_pair> over_my_transport(asio::any_io_executor ex) {
        co_return io::duplex(ex);
    }
};
