// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Each exchange is cut after every byte, in either direction, by close and by abort. Nothing may
// hang (the virtual clock finds that), nothing may stay (the counters do), and what comes out is
// the whole exchange or a classified failure.
#include "peers.hpp"
#include <weft/http/client.hpp>

#include <cstdio>

using namespace peers;

namespace {

enum class how { close, abort };

/// Where and how a connection breaks: behind so many bytes of one direction.
struct cut {
    bool to_server = true;
    std::size_t after = 0;
    how by = how::close;
    bool reached = false;
};

/// Passes bytes on in one direction, up to the cut.
awaitable<void> pass(io::stream& from, io::stream& to, cut* at, std::function<void()> break_it) {
    std::array<char, 512> buffer;
    std::size_t passed = 0;
    for (;;) {
        if (at && passed == at->after) {
            at->reached = true;
            break_it();
            co_return;
        }
        const std::size_t room = at ? std::min(buffer.size(), at->after - passed) : buffer.size();
        auto n = co_await attempt(from.read(asio::buffer(buffer.data(), room)));
        if (!from || !to) co_return;
        if (!n) {
            to.abort();
            co_return;
        }
        if (*n == 0) {
            auto ended = co_await attempt(to.shutdown_send());
            co_return;
        }
        passed += *n;
        auto written = co_await attempt(to.write(asio::const_buffer(buffer.data(), *n)));
        if (!from || !to) co_return;
        if (!written) {
            from.abort();
            co_return;
        }
    }
}

/// Joins two streams until both directions are over.
awaitable<void> wire(io::stream a, io::stream b, std::shared_ptr<cut> at) {
    auto break_it = [&] {
        for (io::stream* s : {&a, &b}) {
            if (at->by == how::abort)
                s->abort();
            else
                s->close();
        }
    };
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        auto left = std::make_shared<int>(2);
        auto one = [&, left](io::stream& from, io::stream& to, cut* c) -> awaitable<void> {
            auto done = co_await attempt(pass(from, to, c, break_it));
            if (--*left == 0 || (at && at->reached)) s.cancel();
        };
        s.spawn([&]() -> awaitable<void> {
            co_await one(a, b, at && at->to_server ? at.get() : nullptr);
        });
        s.spawn([&]() -> awaitable<void> {
            co_await one(b, a, at && !at->to_server ? at.get() : nullptr);
        });
        co_await sleep_for(10'000s);
    });
}

/// What a run of an exchange tells.
struct result {
    bool good = false;
    std::optional<failure> failed;
};

struct exchange {
    const char* name;
    http::any_app app;
    std::function<awaitable<bool>(io::stream)> client;  ///< true: it got all that it should
};

/// Runs the exchange with a cut, and then once more on a new connection without.
result run(const exchange& e, std::shared_ptr<cut> at) {
    result r;
    testing::run([&]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        http::server server(e.app);
        for (bool broken : {true, false}) {
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                auto [client, left] = io::duplex(ex);
                auto [right, end] = io::duplex(ex);
                io::stream near = std::move(client), a = std::move(left), b = std::move(right),
                           far = std::move(end);
                s.spawn(server.serve(std::move(far)));
                s.spawn([](io::stream x, io::stream y, std::shared_ptr<cut> c) -> awaitable<void> {
                    auto wired = co_await attempt(wire(std::move(x), std::move(y), std::move(c)));
                }(std::move(a), std::move(b), broken ? at : nullptr));
                auto got = co_await attempt(e.client(std::move(near)));
                if (broken) {
                    r.good = got && *got;
                    if (!got) r.failed = got.error();
                } else {
                    if (!got) MESSAGE(got.error().what());
                    CHECK(got);
                    CHECK((got && *got));
                }
                // The server is done with it by itself, within its limits.
                for (int i = 0; i < 100 && server.connections() > 0; ++i) co_await sleep_for(1s);
                CHECK(server.connections() == 0);
            });
        }
    });
    return r;
}

struct tally {
    std::size_t points = 0, good = 0, failed = 0;
};

tally cut_everywhere(const exchange& e) {
    tally t;
    for (bool to_server : {true, false}) {
        for (how by : {how::close, how::abort}) {
            for (std::size_t after = 0;; ++after) {
                CAPTURE(e.name);
                CAPTURE(to_server);
                CAPTURE(after);
                auto at = std::make_shared<cut>(cut{to_server, after, by});
                const result r = run(e, at);
                if (!at->reached) {
                    CHECK(r.good);
                    break;
                }
                ++t.points;
                if (r.good) ++t.good;
                if (r.failed) {
                    ++t.failed;
                    CHECK((r.failed->kind() == failure_kind::unavailable ||
                           r.failed->kind() == failure_kind::timeout ||
                           r.failed->kind() == failure_kind::protocol));
                }
                CHECK((r.good || r.failed));
            }
        }
    }
    return t;
}

http::body three_pieces() {
    return http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n++ == 3) co_return std::nullopt;
        co_await sleep_for(10ms);
        co_return weft::bytes("piece");
    });
}

const auto app = [](http::request r) -> awaitable<http::response> {
    if (r.path() == "/stream") {
        http::response answer;
        http::headers sum{{"Sum", "7"}};
        answer.set_body(three_pieces().with_trailers(std::move(sum)));
        co_return answer;
    }
    if (r.path() == "/upgrade") {
        http::response answer(http::status::switching_protocols);
        answer.headers().set("Upgrade", "echo");
        answer.on_upgrade([](io::stream s) -> awaitable<void> {
            std::array<char, 64> buffer;
            while (std::size_t n = co_await s.read(asio::buffer(buffer)))
                co_await s.write(asio::const_buffer(buffer.data(), n));
        });
        co_return answer;
    }
    if (r.method() == http::method::post && r.path() == "/echo")
        co_return co_await echo(std::move(r));
    if (r.method() == http::method::post) {
        std::string text = co_await r.body().text();
        co_return http::text(text);
    }
    co_await sleep_for(10ms);
    co_return http::text("hello");
};

/// One exchange through the client's driver.
awaitable<bool> one(io::stream s, http::request r, std::string expected,
                    http::protocol speaks = http::protocol::http_1_1) {
    http::client_options options;
    options.user_agent = "";
    options.protocol = speaks;
    http::connection c = co_await http::connect(std::move(s), options);
    http::response answer = co_await c.serve(std::move(r));
    std::string text = co_await answer.body().text();
    const bool good = text == expected;
    c.close();
    co_return good;
}

const exchange exchanges[] = {
    {"GET", app,
     [](io::stream s) {
         return one(std::move(s), http::request(http::method::get, "http://a/"), "hello");
     }},
    {"POST with a length", app,
     [](io::stream s) {
         return one(std::move(s), http::request(http::method::post, "http://a/", "content"),
                    "content");
     }},
    {"POST in chunks with trailers, echoed", app,
     [](io::stream s) {
         http::headers sum{{"Sum", "7"}};
         return one(
             std::move(s),
             http::request(http::method::post, "http://a/echo", three_pieces().with_trailers(sum)),
             "piecepiecepiece");
     }},
    {"POST that expects 100-continue", app,
     [](io::stream s) {
         http::request r(http::method::post, "http://a/", "content");
         r.headers().set("Expect", "100-continue");
         return one(std::move(s), std::move(r), "content");
     }},
    {"a response in pieces", app,
     [](io::stream s) {
         return one(std::move(s), http::request(http::method::get, "http://a/stream"),
                    "piecepiecepiece");
     }},
    {"an upgrade", app,
     [](io::stream s) -> awaitable<bool> {
         http::connection c = co_await http::connect(std::move(s), {.user_agent = ""});
         http::request r(http::method::get, "http://a/upgrade");
         r.headers().set("Upgrade", "echo");
         http::response answer = co_await c.serve(std::move(r));
         if (answer.status() != 101) co_return false;
         peer tunnel(answer.take_upgraded());
         co_await tunnel.say("over the tunnel");
         std::string text = co_await tunnel.take(15);
         if (text != "over the tunnel")
             throw failure(failure_kind::unavailable, "the tunnel ended");
         co_return true;
     }},
    {"HTTP/2: GET", app,
     [](io::stream s) {
         return one(std::move(s), http::request(http::method::get, "http://a/"), "hello",
                    http::protocol::http_2);
     }},
    {"HTTP/2: POST that expects 100-continue", app,
     [](io::stream s) {
         http::request r(http::method::post, "http://a/", "content");
         r.headers().set("Expect", "100-continue");
         return one(std::move(s), std::move(r), "content", http::protocol::http_2);
     }},
    {"HTTP/2: POST with trailers, echoed", app,
     [](io::stream s) {
         http::headers sum{{"Sum", "7"}};
         return one(
             std::move(s),
             http::request(http::method::post, "http://a/echo", three_pieces().with_trailers(sum)),
             "piecepiecepiece", http::protocol::http_2);
     }},
    {"three pipelined requests", app,
     [](io::stream s) -> awaitable<bool> {
         peer c(std::move(s));
         co_await c.say(
             "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
             "3\r\n\r\nabc"
             "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
         std::string all = co_await c.rest();
         if (!all.ends_with("0\r\nSum: 7\r\n\r\n"))
             throw failure(failure_kind::unavailable, "cut off");
         co_return count(all, "HTTP/1.1 200 OK") == 3;
     }},
};

}  // namespace

TEST_CASE("a peer that vanishes at any byte of an exchange leaves nothing behind") {
    tally all;
    for (const exchange& e : exchanges) {
        const tally t = cut_everywhere(e);
        std::printf("vanish: %s: cut at %zu points, %zu good, %zu failed\n", e.name, t.points,
                    t.good, t.failed);
        CHECK(t.failed > 0);
        all.points += t.points;
        all.good += t.good;
        all.failed += t.failed;
    }
    std::printf("vanish: %zu points, %zu good, %zu failed\n", all.points, all.good, all.failed);
}
