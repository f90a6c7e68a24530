// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

using namespace peers;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const auto slow = [](http::request) -> awaitable<http::response> {
    co_await sleep_for(5s);
    co_return http::text("done");
};

}  // namespace

TEST_CASE("drain closes an idle connection at once") {
    for (bool used : {false, true}) {
        with_server(hello, {}, [used](peer& c, http::server& server) -> awaitable<void> {
            if (used) {
                co_await c.say(get);
                co_await c.until("Hello, world");
            }
            co_await sleep_for(1s);
            const auto start = now_of(co_await asio::this_coro::executor);
            server.drain();
            std::string rest = co_await c.rest();
            CHECK(rest.empty());
            CHECK(c.ended_well());
            CHECK(now_of(co_await asio::this_coro::executor) == start);
        });
    }
}

TEST_CASE("drain gives a connection that has just come the rest of a second for its request") {
    for (bool asks : {false, true}) {
        with_server(hello, {}, [asks](peer& c, http::server& server) -> awaitable<void> {
            const auto start = now_of(co_await asio::this_coro::executor);
            co_await sleep_for(300ms);
            server.drain();
            co_await sleep_for(600ms);
            if (asks) co_await c.say(get);
            std::string all = co_await c.rest();
            CHECK(count(all, "Hello, world") == (asks ? 1 : 0));
            CHECK(count(all, "Connection: close\r\n") == (asks ? 1 : 0));
            CHECK(c.ended_well());
            const auto took = now_of(co_await asio::this_coro::executor) - start;
            CHECK(took >= (asks ? 900ms : 1000ms));
            CHECK(took <= (asks ? 900ms : 1010ms));
        });
    }
}

TEST_CASE("drain answers a request that has come to an idle connection but was not read yet") {
    with_server(hello, {}, [](peer& c, http::server& server) -> awaitable<void> {
        co_await c.say(get);
        co_await c.until("Hello, world");
        co_await sleep_for(5s);
        co_await c.say(get);
        server.drain();
        std::string all = co_await c.rest();
        CHECK(has(all, "Hello, world"));
        CHECK(has(all, "Connection: close\r\n"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("drain lets a busy connection finish, and says close") {
    with_server(slow, {}, [](peer& c, http::server& server) -> awaitable<void> {
        co_await c.say(get + get);
        co_await sleep_for(1s);
        server.drain();
        std::string all = co_await c.rest();
        CHECK(count(all, "HTTP/1.1 200 OK") == 1);
        CHECK(has(all, "Connection: close\r\n"));
        CHECK(all.ends_with("done"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("drain does not cut off a response that is still on its way") {
    auto large = [](http::request) -> awaitable<http::response> {
        co_return http::text(std::string(50'000, 'x'));
    };
    with_server(
        large, {},
        [](peer& c, http::server& server) -> awaitable<void> {
            co_await c.say(get);
            co_await c.head();
            server.drain();
            co_await sleep_for(1s);
            std::string rest = co_await c.rest();
            CHECK(rest.size() == 50'000);
            CHECK(c.ended_well());
        },
        4096);
}

TEST_CASE("drain lets a head that has begun come to its end") {
    with_server(hello, {}, [](peer& c, http::server& server) -> awaitable<void> {
        co_await c.say("GET / HTTP/1.1\r\n");
        co_await sleep_for(1s);
        server.drain();
        co_await sleep_for(1s);
        co_await c.say("Host: a\r\n\r\n");
        std::string all = co_await c.rest();
        CHECK(has(all, "Hello, world"));
        CHECK(has(all, "Connection: close\r\n"));
    });
}

TEST_CASE("a connection that comes after drain is answered once") {
    testing::run([]() -> awaitable<void> {
        http::server server(hello);
        server.drain();
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        peer c(std::move(near));
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            co_await c.say(get + get);
            s.spawn(server.serve(std::move(end)));
            std::string all = co_await c.rest();
            CHECK(count(all, "Hello, world") == 1);
            CHECK(has(all, "Connection: close\r\n"));
            CHECK(c.ended_well());
        });
    });
}

TEST_CASE("a connection that comes after drain and says nothing has a second") {
    testing::run([]() -> awaitable<void> {
        http::server server(hello);
        server.drain();
        auto ex = co_await asio::this_coro::executor;
        auto [near, far] = io::duplex(ex);
        peer c(std::move(near));
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            const auto start = now_of(ex);
            s.spawn(server.serve(std::move(end)));
            std::string all = co_await c.rest();
            CHECK(all == "");
            CHECK(now_of(ex) - start >= 1000ms);
            CHECK(now_of(ex) - start <= 1010ms);
        });
    });
}

TEST_CASE("a response body that is being made is finished under drain") {
    auto app = [](http::request) -> awaitable<http::response> {
        http::response r;
        r.set_body(http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n++ == 5) co_return std::nullopt;
            co_await sleep_for(1s);
            co_return weft::bytes("x");
        }));
        co_return r;
    };
    with_server(app, {}, [](peer& c, http::server& server) -> awaitable<void> {
        co_await c.say(get);
        co_await sleep_for(2s);
        server.drain();
        std::string all = co_await c.rest();
        CHECK(count(all, "1\r\nx\r\n") == 5);
        CHECK(all.ends_with("0\r\n\r\n"));
        CHECK(c.ended_well());
    });
}

TEST_CASE("close_idle knows how long a connection waits whose event loop stands still") {
    struct : clock {
        [[nodiscard]] time_point now() const noexcept override { return at; }
        time_point at{1h};
    } time;
    http::server server(slow);
    asio::io_context loop(1);
    context_info::of(loop).use_virtual_time(time);
    auto [near, far] = io::duplex(loop.get_executor());
    asio::co_spawn(loop, server.serve(std::move(far)), [](std::exception_ptr) {});
    loop.poll();
    CHECK(server.close_idle(1) == 0);
    time.at += 2s;
    CHECK(server.close_idle(1) == 1);
    near.close();
    loop.restart();
    loop.poll();
    CHECK(server.connections() == 0);
}

TEST_CASE(
    "close_idle ends who has waited longest, and nobody who has just come or is at a request") {
    testing::run([]() -> awaitable<void> {
        http::server server(slow);
        auto ex = co_await asio::this_coro::executor;
        std::vector<peer> peers;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 4; ++i) {  // a second apart; the second one is at a request
                auto [near, far] = io::duplex(ex);
                peers.emplace_back(std::move(near));
                s.spawn(server.serve(std::move(far)));
                if (i == 1) co_await peers[1].say(get);
                if (i < 3) co_await sleep_for(1500ms);
            }
            CHECK(server.close_idle(1) == 1);  // the first
            CHECK((co_await peers[0].rest()).empty());
            CHECK(peers[0].ended_well());
            CHECK(server.close_idle(10) == 1);  // the third: the last has just come
            CHECK((co_await peers[2].rest()).empty());
            CHECK(server.close_idle(10) == 0);
            co_await peers[1].until("done");
            co_await peers[3].say(get);
            co_await peers[3].until("done");
            server.drain();
        });
    });
}
