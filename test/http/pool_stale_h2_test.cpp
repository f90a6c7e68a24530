// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Kept HTTP/2 connections that end without GOAWAY, under requests.
#include "h2_peer.hpp"
#include <weft/http/pool.hpp>

using namespace h2;

namespace {

const std::string ok_head = "\x88";

http::client_options over_http_2() {
    http::client_options options;
    options.protocol = http::protocol::http_2;
    return options;
}

/// A server that answers stream 1 of each connection; on the first one it does `then` once
/// `streams` further streams have begun.
testing::mock_connector answers_once(std::function<awaitable<void>(frame_peer&)> then,
                                     std::size_t streams, int* requests) {
    auto connections = std::make_shared<int>(0);
    return scripted([=](peer& c) -> awaitable<void> {
        const bool first = (*connections)++ == 0;
        frame_peer server(std::move(c.stream));
        const std::string hello = co_await server.wire.take(preface.size());
        server.take_over(std::exchange(server.wire.got, {}));
        (void)co_await server.say(settings() + settings_ack());
        std::size_t answered = 0;
        while (!server.ended()) {
            co_await server.listen(1ms);
            std::vector<std::uint32_t> begun;
            for (const seen& f : server.got)
                if (f.type == HEADERS) begun.push_back(f.stream);
            if (first && begun.size() > streams) {
                *requests += static_cast<int>(begun.size() - answered);
                co_await then(server);
                co_return;
            }
            for (; answered < begun.size() && (!first || answered == 0); ++answered) {
                ++*requests;
                (void)co_await server.say(frame(HEADERS, END_HEADERS, begun[answered], ok_head) +
                                          data(begun[answered], "ok"));
            }
        }
    });
}

const auto vanish = [](frame_peer& server) -> awaitable<void> {
    server.wire.stream = {};
    co_return;
};
const auto begin_and_vanish = [](frame_peer& server) -> awaitable<void> {
    (void)co_await server.say(frame(HEADERS, END_HEADERS, 3, ok_head));
    co_await sleep_for(1ms);
    server.wire.stream = {};
};

awaitable<void> fetch(http::pool pool, http::method m, std::string content = {}) {
    http::response r =
        co_await pool.serve(http::request(m, "http://a/", http::body(std::move(content))));
    co_await r.body().discard();
}

}  // namespace

TEST_CASE("what a kept HTTP/2 connection that vanishes under a request means, by method") {
    struct row {
        http::method method;
        const char* content;
        bool begun;
        bool again;
    };
    const row rows[] = {
        {http::method::get, "", false, true},   {http::method::put, "x", false, true},
        {http::method::post, "", false, false}, {http::method::post, "x", false, false},
        {http::method::get, "", true, false},
    };
    for (const row& w : rows) {
        CAPTURE(std::string(w.method.text()));
        CAPTURE(w.begun);
        testing::run([&]() -> awaitable<void> {
            int requests = 0;
            std::function<awaitable<void>(frame_peer&)> then = vanish;
            if (w.begun) then = begin_and_vanish;
            auto mock = answers_once(then, 1, &requests);
            http::pool pool(http::handshake(over_http_2()) >> mock, over_http_2());
            co_await fetch(pool, http::method::get);
            auto answer = co_await attempt(fetch(pool, w.method, w.content));
            CHECK(answer.has_value() == w.again);
            CHECK(requests == (w.again ? 3 : 2));
            CHECK(mock.connections() == (w.again ? 2 : 1));
            co_await pool.close();
        });
    }
}

TEST_CASE("all requests that were under way on it go once more, over one new connection") {
    testing::run([]() -> awaitable<void> {
        int requests = 0;
        auto mock = answers_once(vanish, 10, &requests);
        http::pool pool(http::handshake(over_http_2()) >> mock, over_http_2());
        co_await fetch(pool, http::method::get);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 10; ++i) s.spawn(fetch(pool, http::method::get));
            co_await sleep_for(1s);
        });
        CHECK(requests == 21);
        CHECK(mock.connections() == 2);
        co_await pool.close();
        CHECK(pool.statistics() == http::pool_statistics{});
    });
}
