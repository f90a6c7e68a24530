// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// HTTP/2 connections on which nothing happens, or nothing but what does not count: when they end,
// and what they hold meanwhile.
#include "h2_peer.hpp"
#include <weft/http/pool.hpp>
#include <weft/runtime/event.hpp>

#include <malloc.h>

using namespace h2;

namespace {

const auto at_once = [](http::request) -> awaitable<http::response> { co_return http::text("ok"); };

std::size_t in_use() { return mallinfo2().uordblks; }

http::client_options over_http_2() {
    http::client_options options;
    options.protocol = http::protocol::http_2;
    return options;
}

}  // namespace

TEST_CASE("a kept HTTP/2 connection of a client ends by itself, and the next request opens one") {
    testing::run([]() -> awaitable<void> {
        http::client_options options = over_http_2();
        options.idle_timeout = 5s;
        auto mock = testing::mock_connector(http::server(at_once));
        http::pool pool(http::handshake(options) >> mock, options);
        for (std::size_t opened = 1; opened <= 2; ++opened) {
            http::response r = co_await pool.serve(http::request(http::method::get, "http://a/"));
            const std::string text = co_await r.body().text();
            CHECK(text == "ok");
            CHECK(mock.connections() == opened);
            co_await sleep_for(4s);
            CHECK(pool.statistics().open == 1);
            co_await sleep_for(2s);
            CHECK(pool.statistics() == http::pool_statistics{});
        }
    });
}

TEST_CASE("a connection whose requests are answered at once is not idle between them") {
    http::server_options options;
    options.idle_timeout = 3s;
    with_h2_server(at_once, options, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        (void)co_await p.say(greeting());
        co_await p.listen();
        std::uint32_t id = 1;
        for (int i = 0; i < 80; ++i, id += 2) {
            (void)co_await p.say(headers(id));
            co_await p.listen(100ms);
            CHECK(server.close_idle(1) == 0);
        }
        CHECK(p.goaway_code() == -1);
        CHECK(p.content(id - 2) == "ok");
        // And ends when it is.
        const auto from = now_of(p.wire.stream.get_executor());
        co_await p.listen(10s);
        const auto took = now_of(p.wire.stream.get_executor()) - from;
        CHECK(p.ended());
        CHECK(p.goaway_code() == NO_ERROR);
        CHECK(took > 2800ms);
        CHECK(took < 3200ms);
        p.wire.stream.close();
    });
}

TEST_CASE("a connection that ends because it was idle is not found idle meanwhile") {
    http::server_options options;
    options.idle_timeout = 3s;
    with_h2_server(at_once, options, [&](frame_peer& p, http::server& server) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        co_await sleep_for(2s);
        CHECK(server.connections() == 1);
        co_await sleep_for(2s);
        // It has said so, and waits for the peer's end.
        CHECK(server.connections() == 1);
        CHECK(server.close_idle(1) == 0);
        p.wire.stream.close();
    });
}

TEST_CASE("a peer to whom we keep sending is asked whether it is there, too") {
    auto app = [](http::request) -> awaitable<http::response> {
        auto pieces = []() -> awaitable<std::optional<weft::bytes>> {
            co_await sleep_for(1s);
            co_return weft::bytes("piece");
        };
        co_return http::response(200, http::body::pull(pieces));
    };
    http::server_options options;
    options.h2.ping_interval = 5s;
    options.h2.ping_timeout = 3s;
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        for (int i = 0; i < 12 && !p.ended(); ++i) co_await p.listen(999ms);
        CHECK(p.find(PING, 0));
        CHECK(p.ended());
        p.wire.stream.close();
    });
}

TEST_CASE("a body that outlives its connection holds nothing of the execution context") {
    testing::run([]() -> awaitable<void> {
        const auto executor = co_await asio::this_coro::executor;
        auto& wheel = context_info::of(executor).deadlines();
        const std::size_t before = wheel.size();
        auto [near, far] = io::duplex(executor);
        http::connection c = co_await http::connect(std::move(near), over_http_2());
        frame_peer server(std::move(far));
        http::response r;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                r = co_await c.serve(http::request(http::method::get, "http://a/"));
                // Not to its end: the pull has a limit, which is taken back.
                auto piece = co_await attempt(with_deadline(10ms, r.body().next()));
                CHECK(!piece);
            });
            const std::string first = co_await server.wire.take(preface.size());
            (void)co_await server.say(settings() + settings_ack());
            co_await server.listen();
            (void)co_await server.say(frame(HEADERS, END_HEADERS, 1, "\x88"));
        });
        server.wire.stream.close();
        co_await sleep_for(1ms);
        CHECK(!c.is_open());
        // Its last reference may go on any thread, which the wheel of a core is not made for.
        CHECK(wheel.size() == before);
    });
}

TEST_CASE("what handlers that took their time have used is given back when nothing happens") {
    event go;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.path() != "/") co_await go.wait();
        co_return http::text("ok");
    };
    http::server_options options;
    options.idle_timeout = 3600s;
    with_h2_server(app, options, [&](frame_peer& p, http::server&) -> awaitable<void> {
        (void)co_await p.say(greeting() + headers(1));
        co_await p.listen();
        p.got.clear();
        co_await sleep_for(10s);
        const std::size_t before = in_use();
        std::string many;
        for (std::uint32_t id = 3; id < 203; id += 2)
            many += headers(
                id,
                {{":method", "GET"}, {":scheme", "http"}, {":path", "/wait"}, {":authority", "a"}});
        (void)co_await p.say(many);
        co_await p.listen();
        go.set();
        co_await p.listen();
        CHECK(p.got.size() > 100);
        std::vector<seen>().swap(p.got);
        many = {};
        co_await sleep_for(10s);
        const std::size_t after = in_use();
        // What is kept: the exchanges, which bodies may still point to.
        CHECK(after - std::min(after, before) < 220'000);
        (void)co_await p.say(headers(203));
        co_await p.listen();
        CHECK(p.content(203) == "ok");
        p.wire.stream.close();
    });
}

TEST_CASE("a connection on which nothing happens holds no large block for its next read") {
    auto app = [&](http::request) -> awaitable<http::response> {
        co_await sleep_for(1ms);
        co_return http::text("ok");
    };
    testing::run([&]() -> awaitable<void> {
        http::server_options options;
        options.idle_timeout = 3600s;
        http::server server(app, options);
        const auto executor = co_await asio::this_coro::executor;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            std::vector<std::unique_ptr<frame_peer>> clients;
            const auto one_more = [&]() -> awaitable<void> {
                auto [near, far] = io::duplex(executor, 4096);
                clients.push_back(std::make_unique<frame_peer>(std::move(near)));
                io::stream end = std::move(far);
                s.spawn(server.serve(std::move(end)));
                (void)co_await clients.back()->say(greeting() + headers(1));
            };
            co_await one_more();
            co_await sleep_for(10s);
            const std::size_t before = in_use();
            for (int i = 0; i < 20; ++i) co_await one_more();
            co_await sleep_for(10s);
            const std::size_t each = (in_use() - std::min(in_use(), before)) / 20;
            MESSAGE(each << " bytes for each idle connection, with both ends of its stream");
            CHECK(each < 48'000);
            for (auto& c : clients) {
                (void)co_await c->say(headers(3));
                co_await c->listen();
                CHECK(c->content(3) == "ok");
                c->wire.stream.close();
            }
        });
    });
}
