// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Whose turn it is when what a request was given turns out to be nothing.
#include "pool_fakes.hpp"

using namespace pools;

namespace {

std::shared_ptr<fake_origin> one_at_a_time() {
    auto origin = std::make_shared<fake_origin>();
    origin->streams = 1;
    origin->speaks = http::version::http_1_1;
    return origin;
}

}  // namespace

TEST_CASE("a request whose connection has ended meanwhile is still before those that came later") {
    testing::run([]() -> awaitable<void> {
        auto origin = one_at_a_time();
        // Each connection ends between its first exchange and the next one's turn.
        origin->on_answered = [](fake_connection& c) { c.vanish(); };
        http::client_options options;
        options.max_connections_per_host = 1;
        http::pool pool(opener(origin), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 5; ++i) {
                s.spawn(fetch(pool, "http://a/" + std::to_string(i)));
                co_await sleep_for(1ms);
            }
            co_await sleep_for(1s);
        });
        CHECK(origin->served == std::vector<std::string>{"/0", "/1", "/2", "/3", "/4"});
        CHECK(origin->opened == 5);
    });
}

TEST_CASE(
    "a request waits no longer than its limit, however many connections turn out to be dead") {
    testing::run([]() -> awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        auto origin = one_at_a_time();
        origin->connecting = 1ms;
        origin->answering = 800ms;
        origin->on_answered = [&](fake_connection& c) {
            c.vanish();
            origin->connecting = 500ms;
        };
        http::client_options options;
        options.max_connections_per_host = 1;
        options.queue_timeout = 1s;
        http::pool pool(opener(origin), options);
        const auto began = now_of(ex);
        std::optional<failure> why;
        clock::duration took{};
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(fetch(pool, "http://a/1"));
            co_await sleep_for(2ms);
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(fetch(pool, "http://a/2"));
                if (!r) why = r.error();
                took = now_of(ex) - began;
            });
            co_await sleep_for(5s);
        });
        REQUIRE(why);
        CHECK(why->kind() == failure_kind::timeout);
        CHECK(why->delivered() == delivery::not_sent);
        CHECK(took <= 1'010ms);
        CHECK(origin->served.size() == 1);
    });
}

TEST_CASE("a connection is kept though a host found no room, once nobody waits there any more") {
    testing::run([]() -> awaitable<void> {
        auto origin = one_at_a_time();
        origin->answering = 100ms;
        http::client_options options;
        options.max_connections = 1;
        http::pool pool(opener(origin), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(fetch(pool, "http://a/"));
            co_await sleep_for(20ms);
            auto gone = co_await attempt(with_deadline(30ms, fetch(pool, "http://b/")));
            CHECK(!gone);
            co_await sleep_for(1s);
        });
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        co_await fetch(pool, "http://a/");
        CHECK(origin->opened == 1);
    });
}
