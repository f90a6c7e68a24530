#pragma once

struct names_runtime_race : names {
    explicit names_runtime_race(asio::any_io_executor executor_of_the_test)
        : names(std::move(executor_of_the_test)) {
        stopping.set();
    }
    weft::event stopping;
    static weft::awaitable<user> load_user(int) { co_return user{"ann"}; }
    static weft::awaitable<int> load_cart(int) { co_return 3; }
};
