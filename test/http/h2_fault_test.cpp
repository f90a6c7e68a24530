// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// Exchanges over HTTP/2 in both roles, with a failure, a delay or a cancellation at every wait in
// turn.
#include "peers.hpp"
#include <weft/runtime/event.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/fault_plan.hpp>

#include <cstdio>

using namespace peers;

namespace {

void demand(bool holds, const char* what) {
    if (!holds) throw failure(failure_kind::internal, what);
}

http::body pieces(int n) {
    return http::body::pull([n]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n-- == 0) co_return std::nullopt;
        co_await sleep_for(10ms);
        co_return weft::bytes("piece");
    });
}

const auto app = [](http::request r) -> awaitable<http::response> {
    if (r.method() == http::method::connect) {
        http::response answer;
        answer.on_upgrade([](io::stream s) -> awaitable<void> {
            std::array<char, 64> buffer;
            while (std::size_t n = co_await s.read(asio::buffer(buffer)))
                co_await s.write(asio::const_buffer(buffer.data(), n));
        });
        co_return answer;
    }
    if (r.path() == "/echo") co_return co_await echo(std::move(r));
    if (r.path() == "/pieces") {
        http::headers sum{{"Sum", "7"}};
        co_return http::response(200, pieces(3).with_trailers(std::move(sum)));
    }
    if (r.path() == "/large") co_return http::text(std::string(200'000, 'l'));
    co_await sleep_for(10ms);
    co_return http::text("hello");
};

struct exchange {
    const char* name;
    awaitable<void> (*work)(http::connection);
};

awaitable<void> expect(http::connection c, http::request r, std::string text) {
    http::response answer = co_await c.serve(std::move(r));
    if (answer.status() == 408) throw failure(failure_kind::timeout, "the server answered 408");
    demand(answer.status() == 200, "another status");
    const std::string got = co_await answer.body().text();
    demand(got == text, "other content");
}

const exchange exchanges[] = {
    {"GET",
     [](http::connection c) {
         return expect(c, http::request(http::method::get, "http://b/"), "hello");
     }},
    {"a response in pieces",
     [](http::connection c) {
         return expect(c, http::request(http::method::get, "http://b/pieces"), "piecepiecepiece");
     }},
    {"a streamed body, echoed",
     [](http::connection c) {
         return expect(c, http::request(http::method::post, "http://b/echo", pieces(3)),
                       "piecepiecepiece");
     }},
    {"a large response",
     [](http::connection c) {
         return expect(c, http::request(http::method::get, "http://b/large"),
                       std::string(200'000, 'l'));
     }},
    {"an expectation",
     [](http::connection c) {
         http::request r(http::method::post, "http://b/echo", "content");
         r.headers().set("Expect", "100-continue");
         return expect(c, std::move(r), "content");
     }},
    {"three requests at a time",
     [](http::connection c) -> awaitable<void> {
         co_await when_all(
             expect(c, http::request(http::method::get, "http://b/"), "hello"),
             expect(c, http::request(http::method::post, "http://b/echo", pieces(2)), "piecepiece"),
             expect(c, http::request(http::method::get, "http://b/pieces"), "piecepiecepiece"));
     }},
    {"a tunnel",
     [](http::connection c) -> awaitable<void> {
         http::response r = co_await c.serve(http::request(http::method::connect, "b:80"));
         demand(r.status() == 200, "another status");
         peer tunnel(r.take_upgraded());
         co_await tunnel.say("over the tunnel");
         const std::string text = co_await tunnel.take(15);
         if (text != "over the tunnel")
             throw failure(failure_kind::unavailable, "the tunnel ended");
     }},
};

/// The faults anywhere, the cancellation at the caller (`of_client`) or at what serves.
testing::fault_report replay_exchange(const exchange& e, bool of_client) {
    return testing::fault_plan({}).replay([&](testing::fault_run& r) -> awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        http::server server(app);
        for (const bool disturbed : {true, false}) {
            co_await with_scope([&](task_scope& s) -> awaitable<void> {
                auto [near, far] = io::duplex(ex);
                io::stream served = std::move(far);
                http::client_options options;
                options.protocol = http::protocol::http_2;
                http::connection c = co_await http::connect(std::move(near), options);
                if (of_client || !disturbed) {
                    s.spawn(server.serve(std::move(served)));
                    if (disturbed)
                        co_await r.disturb(e.work(c));
                    else
                        co_await e.work(c);
                } else {
                    std::optional<failure> got;
                    event over;
                    s.spawn([&]() -> awaitable<void> {
                        auto done = co_await attempt(e.work(c));
                        if (!done) got = done.error();
                        c.close();
                        over.set();
                    });
                    const bool well = co_await r.disturb(server.serve(std::move(served)));
                    demand(well || r.failed()->kind() == failure_kind::cancelled,
                           "a server's connection throws for what its peer did");
                    co_await over.wait();
                    if (got) demand(got->kind() != failure_kind::internal, "not classified");
                }
                if (disturbed) co_await sleep_for(2h);
                c.close();
                for (int i = 0; i < 100 && server.connections() > 0; ++i) co_await sleep_for(1s);
                demand(server.connections() == 0, "the server keeps a connection");
            });
        }
    });
}

}  // namespace

TEST_CASE("a fault at any wait of an HTTP/2 exchange is a classified failure, and nothing stays") {
    for (const exchange& e : exchanges) {
        for (const bool of_client : {true, false}) {
            INFO(std::string(e.name));
            const testing::fault_report r = replay_exchange(e, of_client);
            std::printf("faults: HTTP/2 %s, %s: %zu points, %zu succeeded, %zu failed\n",
                        of_client ? "client" : "server", e.name, r.total(), r.succeeded,
                        r.failures);
            CHECK(r.total() > 0);
        }
    }
}
