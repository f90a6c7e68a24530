// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// http::serve over TLS: what it refuses to promise, and handshakes that are under way.

#include "peers.hpp"
#include <weft/http/serve.hpp>
#include <weft/runtime/race.hpp>
#include <weft/testing/network.hpp>
#include <weft/tls/acceptor.hpp>
#include <weft/tls/connect.hpp>
#include <weft/tls/development_ca.hpp>

using namespace peers;

namespace {

const tls::development_ca& ca() {
    static const tls::development_ca authority;
    return authority;
}

http::serve_options secure(std::vector<std::string> alpn = {}) {
    static const tls::identity id = ca().server({"shop.test"});
    tls::server_options o;
    o.identities = {id};
    o.alpn = std::move(alpn);
    http::serve_options options;
    options.tls = tls::server_config(o);
    return options;
}

/// A server on a network in memory, told to stop after so long.
struct place {
    testing::network net;
    explicit place(asio::any_io_executor ex) : net(std::move(ex)) {}

    awaitable<clock::duration> serve_until(std::chrono::milliseconds stop,
                                           http::serve_options options) {
        const auto start = now_of(co_await asio::this_coro::executor);
        auto served = http::serve(net.host("shop.test").listen(443), hello, std::move(options));
        co_await when_any(std::move(served), sleep_for(stop));
        co_return now_of(co_await asio::this_coro::executor) - start;
    }
    awaitable<io::stream> call() {
        net::connect_request to("shop.test", 443);
        const auto connect = net.host("laptop").connector();
        co_return co_await connect.serve(std::move(to));
    }
    static awaitable<io::stream> secured(io::stream s) {
        tls::client_config config({.roots = {ca().root()}});
        tls::target shop{"shop.test", 443};
        co_return co_await tls::handshake(std::move(s), std::move(config), std::move(shop));
    }
};

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A network's listener that can be told that nobody else can come in.
struct relieved_listener {
    decltype(std::declval<testing::network>().host("x").listen(1)) inner;
    std::function<void()>* relieve;

    awaitable<io::stream> accept() { return inner.accept(); }
    void close() noexcept { inner.close(); }
    void on_exhausted(std::function<void()> f) { *relieve = std::move(f); }
};

}  // namespace

TEST_CASE("a server refuses to offer by ALPN what it does not speak") {
    testing::run([]() -> awaitable<void> {
        testing::network net(co_await asio::this_coro::executor);
        for (const char* name : {"h2", "http/1.1"}) {
            http::serve_options options = secure({"h2", "http/1.1"});
            (std::string_view(name) == "h2" ? options.http.speak_http2 : options.http.speak_http1) =
                false;
            auto served = http::serve(net.host(name).listen(443), hello, options);
            const auto ended = co_await attempt(with_deadline(1s, std::move(served)));
            REQUIRE(!ended);
            CHECK(ended.error().kind() == failure_kind::invalid_input);
            CHECK(ended.error().context("protocol") == name);
        }
    });
}

TEST_CASE("over TLS HTTP/2 is what ALPN says, not what the first bytes look like") {
    testing::run([]() -> awaitable<void> {
        place p(co_await asio::this_coro::executor);
        auto client = [&p]() -> awaitable<void> {
            peer c(co_await place::secured(co_await p.call()));
            co_await c.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            const std::string all = co_await c.rest();
            CHECK(all.starts_with("HTTP/1.1 "));
            CHECK(!all.starts_with("HTTP/1.1 200"));
        };
        co_await when_all(p.serve_until(20s, secure({"http/1.1"})), client());
    });
}

TEST_CASE("a drain does not wait for who connected to a TLS server and says nothing") {
    testing::run([]() -> awaitable<void> {
        for (const auto since : {3000ms, 400ms}) {
            place p(co_await asio::this_coro::executor);
            auto client = [&]() -> awaitable<void> {
                co_await sleep_for(5s - since);
                io::stream s = co_await p.call();
                std::array<char, 16> memory;
                static_cast<void>(co_await attempt(s.read(asio::buffer(memory))));
            };
            auto both = co_await when_all(p.serve_until(5s, secure()), client());
            const auto expected = since > 1s ? 5000ms : 6000ms - since;
            CHECK(std::get<0>(both) >= expected);
            CHECK(std::get<0>(both) <= expected + 20ms);
        }
    });
}

TEST_CASE("a drain lets a handshake that has begun come to its request") {
    testing::run([]() -> awaitable<void> {
        place p(co_await asio::this_coro::executor);
        p.net.set_default_link({.latency = 400ms});
        auto client = [&]() -> awaitable<void> {
            co_await sleep_for(2800ms);  // the ClientHello is there at 4,000 at the latest
            peer c(co_await place::secured(co_await p.call()));
            co_await c.say(get);
            const std::string all = co_await c.rest();
            CHECK(has(all, "Hello, world"));
            CHECK(has(all, "Connection: close\r\n"));
        };
        co_await when_all(p.serve_until(4100ms, secure()), client());
    });
}

TEST_CASE("when nobody can come in, handshakes that take longest are given up") {
    testing::run([]() -> awaitable<void> {
        place p(co_await asio::this_coro::executor);
        std::function<void()> relieve;
        relieved_listener listener{p.net.host("shop.test").listen(443), &relieve};
        std::vector<int> ended;
        auto silent = [&](int number, std::chrono::milliseconds at) -> awaitable<void> {
            co_await sleep_for(at);
            io::stream s = co_await p.call();
            std::array<char, 16> memory;
            static_cast<void>(co_await attempt(s.read(asio::buffer(memory))));
            ended.push_back(number);
        };
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            scope.spawn(http::serve(std::move(listener), hello, secure()));
            scope.spawn(silent(1, 0ms));
            scope.spawn(silent(2, 1500ms));
            co_await sleep_for(2s);
            REQUIRE(relieve);
            relieve();
            co_await sleep_for(100ms);
            CHECK(ended == std::vector<int>{1});  // the second has just come
            co_await sleep_for(1s);
            relieve();
            co_await sleep_for(100ms);
            CHECK(ended == std::vector<int>{1, 2});
        });
    });
}

TEST_CASE("over TLS a last response and close_notify leave in one write") {
    testing::run([]() -> awaitable<void> {
        http::server server(hello);
        auto counts = std::make_shared<write_count>();
        auto [near, far] = io::duplex(co_await asio::this_coro::executor);
        io::stream below = counted(std::move(far), counts);
        const tls::server_config config = *secure().tls;
        auto both = co_await when_all(place::secured(std::move(near)),
                                      tls::accept(std::move(below), config));
        peer c(std::move(std::get<0>(both)));
        const int before = counts->writes;
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(server.serve(std::move(std::get<1>(both))));
            co_await c.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            co_await c.until("Hello, world");
            co_await c.rest();
            CHECK(c.ended_well());
            CHECK(counts->writes == before + 1);
        });
    });
}
