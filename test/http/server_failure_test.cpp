// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/http/server.hpp>

#include <new>
#include <stdexcept>

using namespace peers;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A handler that notes what became of it.
struct fate {
    bool begun = false;
    bool ended = false;
    bool cancelled = false;
};

http::any_app watched(fate& f, std::chrono::milliseconds time = 20s) {
    return http::any_app([&f, time](http::request) -> awaitable<http::response> {
        f.begun = true;
        auto slept = co_await attempt(sleep_for(time));
        f.cancelled = !slept;
        f.ended = static_cast<bool>(slept);
        slept.value();
        co_return http::text("done");
    });
}

}  // namespace

TEST_CASE("a handler that throws is answered with the fitting status and no detail") {
    struct row {
        failure_kind kind;
        int status;
    };
    const row rows[] = {
        {failure_kind::invalid_input, 400}, {failure_kind::authentication, 401},
        {failure_kind::rejected, 503},      {failure_kind::exhausted, 503},
        {failure_kind::unavailable, 503},   {failure_kind::timeout, 504},
        {failure_kind::protocol, 500},      {failure_kind::cancelled, 500},
        {failure_kind::internal, 500},
    };
    for (const row& r : rows) {
        CAPTURE(r.status);
        auto app = [kind = r.kind](http::request) -> awaitable<http::response> {
            throw failure(kind, "SECRET").with("key", "SECRET");
            co_return http::response();
        };
        const std::string answer = answer_to(get + get, app);
        CHECK(count(answer, "HTTP/1.1 " + std::to_string(r.status) + " ") ==
              2);  // the connection goes on
        CHECK(!has(answer, "SECRET"));
    }
}

TEST_CASE("whatever else a handler throws is a 500") {
    auto bad_alloc = [](http::request) -> awaitable<http::response> {
        throw std::bad_alloc();
        co_return http::response();
    };
    CHECK(answer_to(get, bad_alloc).starts_with("HTTP/1.1 503"));
    auto runtime_error = [](http::request) -> awaitable<http::response> {
        throw std::runtime_error("SECRET");
        co_return http::response();
    };
    CHECK(answer_to(get, runtime_error).starts_with("HTTP/1.1 500"));
    auto odd = [](http::request) -> awaitable<http::response> {
        throw 7;
        co_return http::response();
    };
    CHECK(answer_to(get, odd).starts_with("HTTP/1.1 500"));
    auto at_once = [](http::request) -> awaitable<http::response> {
        throw std::logic_error("not even a coroutine");
    };
    CHECK(answer_to(get, at_once).starts_with("HTTP/1.1 500"));
}

TEST_CASE("a failure may say the status and when to come again") {
    auto app = [](http::request) -> awaitable<http::response> {
        throw failure(failure_kind::exhausted, "x").detail(http::answer_with{429}).after(1500ms);
        co_return http::response();
    };
    const std::string answer = answer_to(get, app);
    CHECK(answer.starts_with("HTTP/1.1 429 "));
    CHECK(has(answer, "Retry-After: 2\r\n"));
}

TEST_CASE("a handler is cancelled when the peer closes") {
    for (bool abort : {false, true}) {
        CAPTURE(abort);
        fate f;
        with_server(watched(f), {}, [&](peer& c) -> awaitable<void> {
            co_await c.say(get);
            co_await sleep_for(1s);
            CHECK(f.begun);
            if (abort)
                c.stream.abort();
            else
                c.stream.close();
            co_await sleep_for(1s);
            CHECK(f.cancelled);
        });
    }
}

TEST_CASE("a handler is cancelled when the peer half-closes, and the connection ends") {
    fate f;
    with_server(watched(f), {}, [&](peer& c) -> awaitable<void> {
        co_await c.say(get);
        co_await sleep_for(1s);
        co_await c.stream.shutdown_send();
        std::string all = co_await c.rest();
        CHECK(f.cancelled);
        CHECK(!has(all, "200"));
    });
}

TEST_CASE("with half_close a handler is not cancelled by an end of file, but by a reset") {
    fate f;
    with_server(watched(f), {.half_close = true}, [&](peer& c) -> awaitable<void> {
        co_await c.say(get);
        co_await c.stream.shutdown_send();
        std::string all = co_await c.rest();
        CHECK(f.ended);
        CHECK(has(all, "done"));
        CHECK(c.ended_well());
    });
    fate g;
    with_server(watched(g), {.half_close = true}, [&](peer& c) -> awaitable<void> {
        co_await c.say(get);
        co_await sleep_for(1s);
        c.stream.abort();
        co_await sleep_for(1s);
        CHECK(g.cancelled);
    });
}

TEST_CASE("a peer that vanishes after its body was read cancels the handler") {
    bool cancelled = false;
    auto app = [&](http::request r) -> awaitable<http::response> {
        co_await r.body().discard();
        auto slept = co_await attempt(sleep_for(20s));
        cancelled = !slept;
        co_return http::text("done");
    };
    with_server(app, {}, [&](peer& c) -> awaitable<void> {
        co_await c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
        co_await sleep_for(1s);
        co_await c.say("abc");
        co_await sleep_for(1s);
        co_await c.say("def");
        co_await sleep_for(1s);
        c.stream.close();
        co_await sleep_for(1s);
        CHECK(cancelled);
    });
}

TEST_CASE("a peer that vanishes while a response is made ends the making of it") {
    bool cancelled = false;
    auto app = [&](http::request) -> awaitable<http::response> {
        http::response r;
        r.set_body(http::body::pull([&]() -> awaitable<std::optional<weft::bytes>> {
            auto slept = co_await attempt(sleep_for(20s));
            cancelled = !slept;
            co_return weft::bytes("x");
        }));
        co_return r;
    };
    for (bool abort : {false, true}) {
        cancelled = false;
        with_server(app, {}, [&](peer& c) -> awaitable<void> {
            co_await c.say(get);
            co_await c.head();
            if (abort)
                c.stream.abort();
            else
                c.stream.close();
            co_await sleep_for(1s);
            CHECK(cancelled);
        });
    }
}

TEST_CASE("what a peer does is never thrown by serve") {
    fate f;
    testing::run([&]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::server server(watched(f));
        for (int how = 0; how < 4; ++how) {
            CAPTURE(how);
            auto [near, far] = io::duplex(ex);
            io::stream client = std::move(near);
            io::stream end = std::move(far);
            bool threw = false;
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                s.spawn([&]() -> awaitable<void> {
                    auto served = co_await attempt(server.serve(std::move(end)));
                    threw = !served;
                });
                co_await client.write(weft::bytes(get));
                co_await sleep_for(1s);
                if (how == 0) client.close();
                if (how == 1) client.abort();
                if (how == 2) co_await client.shutdown_send();
                if (how == 3) co_await client.write(weft::bytes("\0\1\2"));
                co_await sleep_for(100s);
            });
            CHECK(!threw);
        }
    });
}

TEST_CASE("cancelling serve cancels the handler and ends the connection") {
    fate f;
    testing::run([&]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::server server(watched(f));
        auto [near, far] = io::duplex(ex);
        peer c(std::move(near));
        io::stream end = std::move(far);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(end)));
            co_await c.say(get);
            co_await sleep_for(1s);
            CHECK(server.connections() == 1);
        });
        CHECK(f.cancelled);
        CHECK(server.connections() == 0);
        co_await c.rest();
        CHECK(c.end);
    });
}

TEST_CASE("cancelling serve ends a connection in every phase") {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/large") co_return http::text(std::string(1'000'000, 'x'));
        if (r.path() == "/echo") co_return co_await echo(std::move(r));
        if (r.path() == "/ws") {
            http::response up(http::status::switching_protocols);
            up.on_upgrade([](io::stream s) -> awaitable<void> {
                co_await sleep_for(100s);
                s.close();
            });
            co_return up;
        }
        co_return http::text("x");
    };
    const std::string texts[] = {
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "nonsense\r\n\r\n",
    };
    for (const std::string& text : texts) {
        for (auto wait : {0ms, 1ms, 500ms}) {
            CAPTURE(text);
            testing::run([&]() -> awaitable<void> {
                http::server server(app);
                auto [near, far] = io::duplex(co_await asio::this_coro::executor, 4096);
                peer c(std::move(near));
                io::stream end = std::move(far);
                const auto start = now_of(co_await asio::this_coro::executor);
                co_await with_scope([&](task_scope& s) -> awaitable<void> {
                    s.spawn(server.serve(std::move(end)));
                    co_await c.say(text);
                    if (wait > 0ms) co_await sleep_for(wait);
                });
                CHECK(now_of(co_await asio::this_coro::executor) - start <= wait);
                CHECK(server.connections() == 0);
            });
        }
    }
}
