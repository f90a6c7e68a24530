#pragma once

struct names_testing_fault_plan : names {
    using names::names;
    static weft::awaitable<void> fetch(http::client c) {
        http::response r = co_await c.get("http://shop.test/").send();
        static_cast<void>(co_await r.body().discard());
    }
};
