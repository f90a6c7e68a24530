// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "pool_fakes.hpp"

using namespace pools;

namespace {

/// A server that answers once on each connection, keeps it open, and does `then` with the second
/// request.
testing::mock_connector once(std::function<awaitable<void>(peer&)> then, int* requests) {
    return scripted([=](peer& c) -> awaitable<void> {
        std::string head = co_await c.until("\r\n\r\n");
        if (!head.ends_with("\r\n\r\n")) co_return;
        ++*requests;
        co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        head = co_await c.until("\r\n\r\n");
        if (!head.ends_with("\r\n\r\n")) co_return;
        ++*requests;
        co_await then(c);
    });
}

const auto vanish = [](peer& c) -> awaitable<void> {
    c.stream = {};
    co_return;
};
const auto begin_and_vanish = [](peer& c) -> awaitable<void> {
    co_await c.say("HTTP/1.1 2");
    co_await sleep_for(1ms);
    c.stream = {};
};

http::body streamed() {
    return http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n++ > 0) co_return std::nullopt;
        co_return weft::bytes("x");
    });
}

}  // namespace

TEST_CASE(
    "what a kept connection that ends under a request means, by method, progress and content") {
    enum class content { none, memory, stream };
    struct row {
        http::method method;
        content body;
        bool begun;  // the response had begun
        bool again;  // sent once more
    };
    const row rows[] = {
        {http::method::get, content::none, false, true},
        {http::method::head, content::none, false, true},
        {http::method::options, content::none, false, true},
        {http::method::delete_, content::none, false, true},
        {http::method::put, content::memory, false, true},
        {http::method::put, content::stream, false, false},
        {http::method::post, content::none, false, false},
        {http::method::post, content::memory, false, false},
        {http::method::patch, content::memory, false, false},
        {http::method::get, content::none, true, false},
        {http::method::put, content::memory, true, false},
    };
    for (const row& w : rows) {
        CAPTURE(std::string(w.method.text()));
        CAPTURE(static_cast<int>(w.body));
        CAPTURE(w.begun);
        testing::run([&]() -> awaitable<void> {
            int requests = 0;
            auto mock = once(w.begun ? std::function<awaitable<void>(peer&)>(begin_and_vanish)
                                     : std::function<awaitable<void>(peer&)>(vanish),
                             &requests);
            http::pool pool(http::handshake() >> mock);
            co_await fetch(pool, "http://a/");
            http::request r(w.method, "http://a/");
            if (w.body == content::memory) r.body() = http::body("x");
            if (w.body == content::stream) r.body() = streamed();
            auto answer = co_await attempt(pool.serve(std::move(r)));
            CHECK(answer.has_value() == w.again);
            CHECK(requests == (w.again ? 3 : 2));
            CHECK(mock.connections() == (w.again ? 2 : 1));
            if (!answer) {
                CHECK(answer.error().kind() == failure_kind::unavailable);
                CHECK(answer.error().delivered() == delivery::unknown);
            }
        });
    }
}

TEST_CASE("a request that was not delivered is sent again whatever its method, and only once") {
    struct row {
        delivery delivered;
        failure_kind kind;
        http::method method;
        std::size_t served;  // exchanges begun, the first and the repetition
    };
    const row rows[] = {
        {delivery::not_sent, failure_kind::unavailable, http::method::post, 2},
        {delivery::not_sent, failure_kind::unavailable, http::method::get, 2},
        {delivery::unknown, failure_kind::unavailable, http::method::get, 1},
        {delivery::processed, failure_kind::unavailable, http::method::get, 1},
        {delivery::not_sent, failure_kind::timeout, http::method::get, 1},
        {delivery::not_sent, failure_kind::protocol, http::method::get, 1},
        {delivery::not_sent, failure_kind::cancelled, http::method::get, 1},
    };
    for (const row& w : rows) {
        CAPTURE(static_cast<int>(w.delivered));
        CAPTURE(static_cast<int>(w.kind));
        testing::run([&]() -> awaitable<void> {
            auto origin = std::make_shared<fake_origin>();
            http::pool pool(opener(origin));
            co_await fetch(pool, "https://a/");
            origin->connections.at(0)->fails =
                failure(w.kind, "no").in(failure_domain::transport).delivered(w.delivered);
            auto answer = co_await attempt(pool.serve(http::request(w.method, "https://a/")));
            CHECK(origin->served.size() == 1 + w.served);
            // The same connection fails it again, if it is still the only one.
            if (w.served == 1) CHECK(!answer);
        });
    }
}

TEST_CASE("a first request on a connection is not sent again") {
    testing::run([]() -> awaitable<void> {
        auto mock = scripted([](peer& c) -> awaitable<void> {
            co_await c.until("\r\n\r\n");
            c.stream = {};
        });
        http::pool pool(http::handshake() >> mock);
        auto answer = co_await attempt(fetch(pool, "http://a/"));
        CHECK(!answer);
        CHECK(mock.connections() == 1);
    });
}

TEST_CASE("when one kept connection was stale the others are not tried either") {
    testing::run([]() -> awaitable<void> {
        // All connections die without a word once the server "restarts".
        bool restarted = false;
        int connections = 0;
        auto mock = scripted([&](peer& c) -> awaitable<void> {
            const bool old = !restarted;
            ++connections;
            for (;;) {
                std::string head = co_await c.until("\r\n\r\n");
                if (!head.ends_with("\r\n\r\n")) co_return;
                if (old && restarted) {
                    c.stream = {};
                    co_return;
                }
                co_await sleep_for(1ms);
                co_await c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        http::pool pool(http::handshake() >> mock);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 5; ++i) s.spawn(fetch(pool, "http://a/"));
            co_await sleep_for(100ms);
        });
        CHECK(pool.statistics().idle == 5);
        restarted = true;
        co_await fetch(pool, "http://a/");
        CHECK(connections == 6);
        CHECK(pool.statistics().idle == 1);
    });
}

TEST_CASE("an idle connection that the peer closes leaves the pool at once") {
    testing::run([]() -> awaitable<void> {
        auto mock = testing::mock_connector(http::server(hello, {.idle_timeout = 1s}));
        http::pool pool(http::handshake() >> mock);
        co_await fetch(pool, "http://a/");
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        co_await sleep_for(2s);
        CHECK(pool.statistics() == http::pool_statistics{});
    });
}
