#pragma once

struct names_http_status : names {
    explicit names_http_status(asio::any_io_executor executor_of_the_test)
        : names(std::move(executor_of_the_test)) {
        res.set_status(503);
    }
};
