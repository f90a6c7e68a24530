// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"

#include <boost/asio/buffer.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

namespace weft::testing::http_laws {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using trial = connection_trial;

const auto path_of = [](http::request r) -> awaitable<http::response> {
    co_return http::text(std::string(r.path()));
};

awaitable<void> one_after_the_other(trial& t) {
    connection_pair c = co_await t.connect(path_of);
    for (int i = 0; i < 20; ++i) {
        const std::string text = co_await content_of(c, get("/" + std::to_string(i)));
        t.equal(text, "/" + std::to_string(i), "each request gets its own response");
        t.expect(c.is_open() && c.serving() == 1, "all on one connection");
    }
}

awaitable<void> at_the_same_time(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_await sleep_for(1ms);
        std::string text = std::string(r.path()) + co_await r.body().text();
        co_return http::text(std::move(text));
    };
    connection_pair c = co_await t.connect(app);
    std::size_t done = 0;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < 20; ++i)
            s.spawn([&, i]() -> awaitable<void> {
                const std::string number = std::to_string(i);
                http::request r = i % 2 ? get("/" + number) : post("/", repeated(number, 1));
                const std::string text = co_await content_of(c, std::move(r));
                t.equal(text, "/" + number, "each of many requests gets its own response");
                ++done;
            });
        co_await trial::until([&] { return done == 20; });
    });
    t.expect(c.serving() == 1, "all on one connection");
}

awaitable<void> bodies_at_the_same_time(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        co_return http::response(200, repeated(r.path(), 3000));
    };
    connection_pair c = co_await t.connect(app);
    std::size_t done = 0;
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < 5; ++i)
            s.spawn([&, i]() -> awaitable<void> {
                const std::string path = "/" + std::to_string(i);
                http::response r = co_await c.client.serve(get(path));
                std::string text;
                while (std::optional<weft::bytes> chunk = co_await r.body().next())
                    text += std::string_view(*chunk);
                t.expect(text.size() == 6000, "each body arrives whole");
                for (std::size_t at = 0; at < text.size(); at += 2)
                    t.expect(text[at + 1] == path[1], "and none gets another's bytes");
                ++done;
            });
        co_await trial::until([&] { return done == 5; });
    });
}

awaitable<void> a_waiter_gives_up(trial& t) {
    event go;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.path() == "/first") co_await go.wait();
        co_return http::text(std::string(r.path()));
    };
    connection_pair c = co_await t.connect(app);
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        event over;
        s.spawn([&]() -> awaitable<void> {
            const at_end end{over};
            const std::string text = co_await content_of(c, get("/first"));
            t.equal(text, "/first", "the request before it goes on");
        });
        co_await sleep_for(1ms);
        auto second = co_await attempt(with_deadline(20ms, content_of(c, get("/second"))));
        if (!t.options.multiplexed) t.expect(!second, "a request that waits for its turn gives up");
        go.set();
        co_await over.wait();
        const std::string text = co_await content_of(c, get("/third"));
        t.equal(text, "/third", "and the one behind it too");
    });
}

awaitable<void> drained_idle(trial& t) {
    connection_pair c = co_await t.connect(path_of);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "/", "an exchange");
    c.drain();
    co_await trial::until([&] { return c.serving() == 0; });
    auto late = co_await attempt(c.client.serve(get("/")));
    t.expect(!late, "a drained connection takes nothing more");
    t.expect(late.error().kind() == failure_kind::unavailable, "it is unavailable");
    t.expect(!c.is_open(), "and not open");
}

awaitable<void> drained_busy(trial& t) {
    event begun;
    event go;
    auto app = [&](http::request r) -> awaitable<http::response> {
        begun.set();
        co_await go.wait();
        const std::string text = co_await r.body().text();
        co_return http::text(text);
    };
    connection_pair c = co_await t.connect(app);
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        event over;
        s.spawn([&]() -> awaitable<void> {
            const at_end end{over};
            const std::string text = co_await content_of(c, post("/", repeated("piece", 3)));
            t.equal(text, "piecepiecepiece", "what is under way is finished");
        });
        co_await begun.wait();
        c.drain();
        co_await sleep_for(1ms);
        t.expect(c.serving() == 1, "a drain waits for what is under way");
        go.set();
        co_await over.wait();
    });
    co_await trial::until([&] { return c.serving() == 0; });
    co_await trial::until([&] { return !c.is_open(); });
}

awaitable<void> drained_body(trial& t) {
    event go;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&go, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n == 3) co_return std::nullopt;
            if (n++ > 0) co_await go.wait();
            co_return weft::bytes("piece");
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(chunk.has_value(), "a piece");
    c.drain();
    co_await sleep_for(1ms);
    go.set();
    const std::string rest = co_await r.body().text();
    t.equal(rest, "piecepiece", "a drain lets a response come to its end");
    co_await trial::until([&] { return c.serving() == 0; });
}

awaitable<void> ingress(trial& t) {
    struct visits {
        mutable std::atomic<int> n{0};
    };
    auto app = [](http::request r) -> awaitable<http::response> {
        const auto from = r.extensions().ingress();
        if (!from) co_return http::text("no connection", 500);
        if (r.extensions().get<int>()) co_return http::text("another request's fact", 500);
        r.extensions().insert(int{1});
        const visits& v = from.get_or_insert<visits>([] { return visits(); });
        co_return http::text(std::to_string(++v.n));
    };
    connection_pair c = co_await t.connect(app);
    for (int i = 1; i <= 3; ++i) {
        const std::string text = co_await content_of(c, get("/"));
        t.equal(text, std::to_string(i),
                "requests share the facts of their connection, and not their own");
    }
    connection_pair other = co_await t.connect(app);
    const std::string text = co_await content_of(other, get("/"));
    t.equal(text, "1", "and another connection has others");
}

awaitable<void> egress(trial& t) {
    struct mark {};
    connection_pair c = co_await t.connect(path_of);
    http::request r = get("/");
    r.extensions().insert(std::string("the request's"));
    http::response first = co_await c.client.serve(std::move(r));
    t.expect(first.extensions().get<std::string>() != nullptr,
             "a response sees the facts of its request");
    const auto out = first.extensions().egress();
    t.expect(static_cast<bool>(out), "a response leads to the connection that it came over");
    out.get_or_insert<mark>([] { return mark(); });
    const std::string text = co_await first.body().text();
    http::response second = co_await c.client.serve(get("/"));
    t.expect(second.extensions().egress().get<mark>() != nullptr, "the same for the next");
    t.expect(second.extensions().get<std::string>() == nullptr, "whose own facts are others");
    const std::string again = co_await second.body().text();
}

awaitable<void> echo_stream(io::stream s) {
    std::array<char, 256> memory;
    while (const std::size_t n = co_await s.read(asio::buffer(memory)))
        co_await s.write(asio::const_buffer(memory.data(), n));
}

awaitable<void> tunnelled(trial& t, io::stream s) {
    t.expect(static_cast<bool>(s), "the connection is the client's");
    for (const std::string word : {"one", "two"}) {
        co_await s.write(weft::bytes(word));
        std::string got;
        std::array<char, 16> memory;
        while (got.size() < word.size()) {
            const std::size_t n = co_await s.read(asio::buffer(memory));
            t.expect(n > 0, "the tunnel ended");
            got.append(memory.data(), n);
        }
        t.equal(got, word, "bytes pass both ways");
    }
    co_await s.shutdown_send();
    std::array<char, 16> memory;
    const std::size_t n = co_await s.read(asio::buffer(memory));
    t.expect(n == 0, "and its end is an end");
}

awaitable<void> upgrade(trial& t) {
    if (!t.options.upgrades) co_return;
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.header("Upgrade") != "echo") co_return http::text("plain");
        http::response answer(http::status::switching_protocols);
        answer.headers().set("Upgrade", "echo");
        answer.on_upgrade(echo_stream);
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "plain", "an exchange before it");
    http::request r = get("/");
    r.headers().set("Upgrade", "echo");
    http::response answer = co_await c.client.serve(std::move(r));
    t.expect(answer.status() == 101, "the server switches protocols");
    co_await tunnelled(t, answer.take_upgraded());
    co_await trial::until([&] { return c.serving() == 0; });
    t.expect(!c.is_open(), "the connection takes no requests any more");
}

awaitable<void> connect_tunnel(trial& t) {
    if (!t.options.tunnels) co_return;
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.method() != http::method::connect) co_return http::text("plain");
        if (r.target() != "inner.test:443") co_return http::text(std::string(r.target()), 403);
        http::response answer;
        answer.on_upgrade(echo_stream);
        co_return answer;
    };
    connection_pair c = co_await t.connect(app);
    http::request r(http::method::connect, "inner.test:443");
    http::response answer = co_await c.client.serve(std::move(r));
    t.expect(answer.status() == 200, "CONNECT is answered 200");
    co_await tunnelled(t, answer.take_upgraded());
}

awaitable<void> upgrade_declined(trial& t) {
    connection_pair c = co_await t.connect(path_of);
    for (int i = 0; i < 2; ++i) {
        http::request r = get("/plain");
        r.headers().set("Upgrade", "echo");
        const std::string text = co_await content_of(c, std::move(r));
        t.equal(text, "/plain", "a server may answer as if nobody had asked");
    }
}

constexpr connection_law laws[] = {
    {"exchanges follow each other on one connection", one_after_the_other},
    {"requests at the same time get each its own response", at_the_same_time},
    {"bodies at the same time arrive each whole", bodies_at_the_same_time},
    {"a request that gives up leaves the others", a_waiter_gives_up},
    {"a drain ends an idle connection", drained_idle},
    {"a drain waits for the exchange that is under way", drained_busy},
    {"a drain lets a response come to its end", drained_body},
    {"requests share the facts of their connection, and not their own", ingress},
    {"a response leads to its connection and sees its request's facts", egress},
    {"an upgrade hands the connection over", upgrade},
    {"CONNECT makes a tunnel", connect_tunnel},
    {"an upgrade may be declined", upgrade_declined},
};

}  // namespace

std::span<const connection_law> sharing_laws() { return laws; }

}  // namespace weft::testing::http_laws
