#pragma once

struct names_http_connection : names {
    explicit names_http_connection(asio::any_io_executor executor_of_the_test)
        : names(std::move(executor_of_the_test)) {
        asio::co_spawn(ex, http::server(app).serve(std::move(peer)), asio::detached);
    }
};
