// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "pool_fakes.hpp"
#include <weft/core/connection_scoped.hpp>
#include <weft/http/pool.hpp>

using namespace pools;

namespace pool_test {
/// What a request may demand of its connection.
struct verification {
    bool on;
    friend bool operator==(const verification&, const verification&) = default;
};
struct certificate {
    std::string name;
    friend bool operator==(const certificate&, const certificate&) = default;
};
}  // namespace pool_test
using pool_test::certificate;
using pool_test::verification;
template <>
struct std::hash<verification> {
    std::size_t operator()(const verification& v) const noexcept { return v.on; }
};
template <>
struct std::hash<certificate> {
    std::size_t operator()(const certificate& c) const noexcept {
        return std::hash<std::string>()(c.name);
    }
};
template <>
inline constexpr bool weft::connection_scoped<verification> = true;
template <>
inline constexpr bool weft::connection_scoped<certificate> = true;

namespace {

awaitable<void> many(http::pool pool, int count, std::string url) {
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        std::vector<int> done;
        for (int i = 0; i < count; ++i)
            s.spawn([&, i]() -> awaitable<void> {
                co_await fetch(pool, url + std::to_string(i));
                done.push_back(i);
            });
        while (done.size() < static_cast<std::size_t>(count)) co_await sleep_for(1ms);
    });
}

testing::mock_connector slow_server(clock::duration answering = 10ms) {
    auto app = [answering](http::request) -> awaitable<http::response> {
        co_await sleep_for(answering);
        co_return http::text("x");
    };
    return testing::mock_connector(http::server(app));
}

http::pool pool_of(testing::mock_connector mock, http::client_options options = {}) {
    return http::pool(http::handshake(options) >> mock, options);
}

}  // namespace

TEST_CASE(
    "1,000 requests at once from a cold pool open one connection to an origin of many streams") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        http::pool pool(opener(origin));
        co_await many(pool, 1000, "https://a/");
        CHECK(origin->opened == 1);
        CHECK(origin->served.size() == 1000);
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        co_await pool.close();
        CHECK(origin->alive == 0);
    });
}

TEST_CASE(
    "when the peer allows fewer streams, the others wait for one, and no connection is added") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->streams = 100;
        http::pool pool(opener(origin));
        co_await many(pool, 1000, "https://a/");
        CHECK(origin->opened == 1);
        CHECK(origin->most_at_once == 100);
        CHECK(origin->served.size() == 1000);
    });
}

TEST_CASE("1,000 requests at once open exactly the limit of a host that serves one at a time") {
    testing::run([]() -> awaitable<void> {
        auto mock = slow_server();
        http::pool pool = pool_of(mock);
        co_await many(pool, 1000, "http://a/");
        CHECK(mock.connections() == 100);
        CHECK(pool.statistics().idle == 8);  // as many as are kept
        CHECK(pool.statistics().open == 8);
    });
}

TEST_CASE("an https origin that turns out to serve one at a time gets its other connections then") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->speaks = http::version::http_1_1;
        origin->streams = 1;
        http::client_options options;
        options.max_connections_per_host = 7;
        http::pool pool(opener(origin), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 50; ++i) s.spawn(fetch(pool, "https://a/"));
            co_await sleep_for(5ms);
            CHECK(origin->opened == 1);
            CHECK(pool.statistics().connecting == 1);
            CHECK(pool.statistics().waiting == 50);
            co_await sleep_for(10ms);
            CHECK(origin->opened == 7);
            co_await sleep_for(1s);
        });
        CHECK(origin->served.size() == 50);
        CHECK(origin->opened == 7);
    });
}

TEST_CASE("a request never rides a connection that was opened with other demands") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        std::vector<std::string> opened;
        origin->on_connect = [&](const net::connect_request& to) {
            std::string text;
            if (auto* v = to.extensions().get<verification>()) text += v->on ? "verified" : "blind";
            if (auto* c = to.extensions().get<certificate>()) text += "+" + c->name;
            opened.push_back(text);
        };
        http::pool pool(opener(origin));
        auto with = [&](auto... facts) -> awaitable<void> {
            http::request r(http::method::get, "https://a/");
            (r.extensions().insert(facts), ...);
            r.extensions().insert(std::string("a fact of the request alone"));
            http::response answer = co_await pool.serve(std::move(r));
        };
        co_await with();
        co_await with(verification{false});
        co_await with(verification{true});
        co_await with(verification{true}, certificate{"ann"});
        co_await with(certificate{"bob"}, verification{true});
        CHECK(opened ==
              std::vector<std::string>{"", "blind", "verified", "verified+ann", "verified+bob"});
        // And each again, the last word of a type counting, in any order.
        co_await with();
        co_await with(verification{true}, verification{false});
        co_await with(verification{true});
        co_await with(certificate{"ann"}, verification{true});
        co_await with(verification{true}, certificate{"bob"});
        CHECK(origin->opened == 5);
        CHECK(pool.statistics().idle == 5);
    });
}

TEST_CASE("scheme, host and port are part of what a connection means") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        http::pool pool(opener(origin));
        for (int round = 0; round < 2; ++round)
            for (const char* url : {"https://a/", "http://a:443/", "https://b/", "https://a:444/"})
                co_await fetch(pool, url);
        CHECK(origin->opened == 4);
    });
}

TEST_CASE("requests wait in the order in which they came") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->streams = 1;
        origin->speaks = http::version::http_1_1;
        http::client_options options;
        options.max_connections_per_host = 1;
        http::pool pool(opener(origin), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 20; ++i) {
                s.spawn(fetch(pool, "http://a/" + std::to_string(i)));
                co_await sleep_for(1ms);
            }
            co_await sleep_for(1s);
        });
        REQUIRE(origin->served.size() == 20);
        for (int i = 0; i < 20; ++i) CHECK(origin->served[i] == "/" + std::to_string(i));
    });
}

TEST_CASE(
    "a request that is cancelled while it waits is never sent, and the next takes its place") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->streams = 1;
        origin->speaks = http::version::http_1_1;
        origin->answering = 100ms;
        http::client_options options;
        options.max_connections_per_host = 1;
        http::pool pool(opener(origin), options);
        std::optional<failure> why;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(fetch(pool, "http://a/1"));
            co_await sleep_for(20ms);
            s.spawn([&]() -> awaitable<void> {
                auto r = co_await attempt(with_deadline(30ms, fetch(pool, "http://a/2")));
                if (!r) why = r.error();
            });
            co_await sleep_for(1ms);
            s.spawn(fetch(pool, "http://a/3"));
            co_await sleep_for(1ms);
            CHECK(pool.statistics().waiting == 2);
            co_await sleep_for(40ms);
            CHECK(pool.statistics().waiting == 1);
            co_await sleep_for(1s);
        });
        REQUIRE(why);
        CHECK(why->kind() == failure_kind::timeout);
        CHECK(origin->served == std::vector<std::string>{"/1", "/3"});
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
    });
}

TEST_CASE("opening goes on when the request that wanted it is cancelled") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->connecting = 100ms;
        http::pool pool(opener(origin));
        auto late = co_await attempt(with_deadline(50ms, fetch(pool, "https://a/")));
        CHECK(!late);
        co_await sleep_for(100ms);
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        co_await fetch(pool, "https://a/");
        CHECK(origin->opened == 1);
        CHECK(origin->served.size() == 1);
    });
}

TEST_CASE("the queue has a limit, and an end") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->streams = 1;
        origin->speaks = http::version::http_1_1;
        origin->answering = 60s;
        http::client_options options;
        options.max_connections_per_host = 1;
        options.max_waiting = 2;
        http::pool pool(opener(origin), options);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(fetch(pool, "http://a/1"));
            co_await sleep_for(1s);
            std::vector<failure> late;
            for (int i = 0; i < 2; ++i)
                s.spawn([&]() -> awaitable<void> {
                    auto r = co_await attempt(fetch(pool, "http://a/late"));
                    if (!r) late.push_back(r.error());
                });
            co_await sleep_for(1ms);
            auto refused = co_await attempt(fetch(pool, "http://a/more"));
            REQUIRE(!refused);
            CHECK(refused.error().kind() == failure_kind::exhausted);
            CHECK(refused.error().delivered() == delivery::not_sent);
            co_await sleep_for(29s);
            CHECK(late.empty());
            co_await sleep_for(2s);
            REQUIRE(late.size() == 2);
            CHECK(late[0].kind() == failure_kind::timeout);
            CHECK(late[0].delivered() == delivery::not_sent);
            CHECK(late[0].context("host") == "a");
            co_await sleep_for(60s);
        });
        CHECK(origin->served.size() == 1);
    });
}

TEST_CASE("when an origin cannot be reached, all who wait for it fail with that") {
    testing::run([]() -> awaitable<void> {
        int tries = 0;
        http::pool pool(http::connection_opener(
            [&](net::connect_request) -> awaitable<http::pooled_connection> {
                ++tries;
                co_await sleep_for(10ms);
                throw failure(failure_kind::unavailable, "refused");
                co_return nullptr;
            }));
        for (const char* url : {"https://a/", "http://a/"}) {
            int failed = 0;
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 300; ++i)
                    s.spawn([&]() -> awaitable<void> {
                        auto r = co_await attempt(fetch(pool, url));
                        REQUIRE(!r);
                        CHECK(r.error().kind() == failure_kind::unavailable);
                        CHECK(r.error().delivered() == delivery::not_sent);
                        ++failed;
                    });
                co_await sleep_for(30ms);
            });
            CHECK(failed == 300);
            CHECK(tries == (url[4] == 's' ? 1 : 101));
        }
        CHECK(pool.statistics() == http::pool_statistics{});
    });
}

TEST_CASE("a connection is not used beyond its age, and not more often than allowed") {
    testing::run([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        auto mock = slow_server(0ms);
        http::client_options options;
        options.max_connection_age = 10s;
        http::pool aging = pool_of(mock, options);
        for (int i = 0; i < 30; ++i) {
            co_await fetch(aging, "http://a/");
            co_await sleep_for(1s);
        }
        CHECK(mock.connections() == 3);
        CHECK(testing::counters::of(context_info::of(ex)).streams == 2);
        co_await sleep_for(10s);
        CHECK(testing::counters::of(context_info::of(ex)).streams == 0);

        auto other = slow_server(0ms);
        http::client_options few;
        few.max_connection_uses = 4;
        http::pool worn = pool_of(other, few);
        for (int i = 0; i < 12; ++i) co_await fetch(worn, "http://a/");
        CHECK(other.connections() == 3);
        CHECK(worn.statistics().open == 0);
    });
}

TEST_CASE("a shared connection that is too old or worn out ends what it began, beside a new one") {
    testing::run([]() -> awaitable<void> {
        for (const bool by_age : {true, false}) {
            auto origin = std::make_shared<fake_origin>();
            origin->answering = 8s;
            http::client_options options;
            options.max_connection_age = by_age ? 10s : 0s;
            options.max_connection_uses = by_age ? 0 : 5;
            http::pool pool(opener(origin), options);
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                for (int i = 0; i < 5; ++i) {
                    s.spawn(fetch(pool, "https://a/"));
                    co_await sleep_for(1s);
                }
                co_await sleep_for(1s);
                CHECK(origin->opened == 1);
                co_await sleep_for(5s);
                CHECK(origin->alive == 1);
                s.spawn(fetch(pool, "https://a/"));
                co_await sleep_for(100ms);
                CHECK(origin->opened == 2);
                CHECK(origin->alive == 2);
                co_await sleep_for(20s);
            });
            CHECK(origin->served.size() == 6);
            co_await pool.close();
            CHECK(origin->alive == 0);
        }
    });
}

TEST_CASE("GOAWAY ends the use of a connection at once, a break ends its exchanges") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->answering = 1s;
        http::pool pool(opener(origin));
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(fetch(pool, "https://a/1"));
            co_await sleep_for(100ms);
            origin->connections.at(0)->go_away();
            s.spawn(fetch(pool, "https://a/2"));
            co_await sleep_for(100ms);
            CHECK(origin->opened == 2);
            CHECK(origin->alive == 2);
            co_await sleep_for(1s);
            CHECK(origin->alive == 1);
            co_await sleep_for(1s);
        });
        CHECK(pool.statistics() == http::pool_statistics{.open = 1, .idle = 1});
        origin->connections.at(0)->broke();
        co_await sleep_for(1ms);
        CHECK(pool.statistics() == http::pool_statistics{});
        CHECK(origin->alive == 0);
        co_await fetch(pool, "https://a/3");
        CHECK(origin->opened == 3);
    });
}

TEST_CASE("the limit of all connections: an idle one makes room, and no host starves") {
    testing::run([]() -> awaitable<void> {
        auto mock = slow_server(100ms);
        http::client_options options;
        options.max_connections = 4;
        http::pool pool = pool_of(mock, options);
        co_await many(pool, 4, "http://a/");
        CHECK(pool.statistics().idle == 4);
        co_await many(pool, 2, "http://b/");
        CHECK(pool.statistics().open == 4);
        CHECK(mock.connections() == 6);
        // Two hosts keep all of them busy; a third comes, and is served before those who came
        // after it.
        std::vector<int> order;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            auto one = [&](int id, std::string url) -> awaitable<void> {
                co_await fetch(pool, url);
                order.push_back(id);
            };
            for (int i = 0; i < 20; ++i) s.spawn(one(1, i % 2 ? "http://a/" : "http://b/"));
            co_await sleep_for(10ms);
            s.spawn(one(3, "http://c/"));
            co_await sleep_for(10ms);
            for (int i = 0; i < 100; ++i) s.spawn(one(1, i % 2 ? "http://a/" : "http://b/"));
            co_await sleep_for(100s);
        });
        REQUIRE(order.size() == 121);
        const auto at = std::find(order.begin(), order.end(), 3) - order.begin();
        CHECK(at <= 28);
        CHECK(pool.statistics().open <= 4);
    });
}

TEST_CASE("more hosts than connections: each is served in its turn") {
    testing::run([]() -> awaitable<void> {
        auto mock = slow_server(10ms);
        http::client_options options;
        options.max_connections = 3;
        http::pool pool = pool_of(mock, options);
        int done = 0;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 300; ++i)
                s.spawn([&, i]() -> awaitable<void> {
                    co_await fetch(pool, "http://h" + std::to_string(i % 30) + "/");
                    ++done;
                });
            co_await sleep_for(25s);
        });
        CHECK(done == 300);
        CHECK(pool.statistics().open <= 3);
        CHECK(pool.statistics().waiting == 0);
    });
}

TEST_CASE("a connection that is closed at once is a failed one, and not opened again and again") {
    testing::run([]() -> awaitable<void> {
        int opened = 0;
        http::pool pool(http::handshake() >> [&](net::connect_request) -> awaitable<io::stream> {
            ++opened;
            auto [near, far] = io::duplex(co_await asio::this_coro::executor);
            far.close();
            co_return std::move(near);
        });
        auto r = co_await attempt(fetch(pool, "http://a/"));
        REQUIRE(!r);
        CHECK(r.error().kind() == failure_kind::unavailable);
        CHECK(r.error().delivered() == delivery::not_sent);
        CHECK(opened == 1);
    });
}

TEST_CASE("a host that was not used is forgotten") {
    testing::run([]() -> awaitable<void> {
        auto origin = std::make_shared<fake_origin>();
        origin->speaks = http::version::http_1_1;
        http::pool pool(opener(origin));
        co_await fetch(pool, "https://a/");
        origin->connections.at(0)->broke();
        co_await sleep_for(1ms);
        // Nothing is known of it any more: one connection first.
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            for (int i = 0; i < 5; ++i) s.spawn(fetch(pool, "https://a/"));
            co_await sleep_for(5ms);
            CHECK(origin->opened == 2);
            co_await sleep_for(1s);
        });
    });
}
