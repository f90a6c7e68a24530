// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"

#include <boost/asio/this_coro.hpp>

namespace weft::testing::http_laws {

namespace {

using namespace std::chrono_literals;
using trial = connection_trial;

http::body failing(std::string_view before) {
    auto make = [text = std::string(before),
                 n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n++ == 0) co_return weft::bytes(text);
        throw failure(failure_kind::exhausted, "the source has run dry");
    };
    return http::body::pull(std::move(make));
}

/// A handler that waits for ever, and says when it began and ended.
struct stuck {
    event begun;
    event ended;
};

http::any_app calling(stuck& s) {
    return [&s](http::request) -> awaitable<http::response> {
        const at_end end{s.ended};
        s.begun.set();
        event never;
        co_await never.wait();
        co_return http::text("never");
    };
}

awaitable<void> early_response(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::text("no need to read that", 413);
    };
    connection_pair c = co_await t.connect(app);
    const std::string piece(30'000, 'p');
    http::response r = co_await c.client.serve(post("/", repeated(piece, 100)));
    t.expect(r.status() == 413, "a response arrives although the body was not read");
    const std::string text = co_await r.body().text();
    t.equal(text, "no need to read that", "with its content");
}

awaitable<void> small_unread(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> { co_return http::text("ok"); };
    connection_pair c = co_await t.connect(app);
    for (int i = 0; i < 3; ++i) {
        const std::string text = co_await content_of(c, post("/", "a little that nobody reads"));
        t.equal(text, "ok", "a small body that is not read costs nothing");
    }
    t.expect(c.is_open(), "not even the connection");
}

awaitable<void> throwing_handler(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/std") throw std::runtime_error("a secret");
        if (r.path() == "/detail")
            throw failure(failure_kind::invalid_input, "a secret").detail(http::answer_with{409});
        if (r.path() == "/failure") throw failure(failure_kind::exhausted, "a secret").after(7s);
        co_return http::text("well");
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/std"));
    t.expect(r.status() == 500, "an exception is answered 500");
    std::string text = co_await r.body().text();
    t.expect(text.find("secret") == std::string::npos, "and never with what it says");
    r = co_await c.client.serve(get("/detail"));
    t.expect(r.status() == 409, "a failure with the status that it asks for");
    text = co_await r.body().text();
    r = co_await c.client.serve(get("/failure"));
    t.expect(r.status() == 503 && r.header("Retry-After") == "7", "or that its kind asks for");
    text = co_await r.body().text();
    text = co_await content_of(c, get("/"));
    t.equal(text, "well", "and the connection goes on");
}

awaitable<void> broken_response(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/short") co_return http::response(200, repeated("abc", 2, 100));
        co_return http::response(200, failing("a part"));
    };
    for (const char* path : {"/", "/short"}) {
        connection_pair c = co_await t.connect(app);
        auto read = [&]() -> awaitable<std::string> {
            http::response r = co_await c.client.serve(get(path));
            std::string text = co_await r.body().text();
            co_return text;
        };
        const failure f = co_await trial::failure_of(read());
        t.expect(f.kind() == failure_kind::unavailable || f.kind() == failure_kind::protocol,
                 "a response that is cut off never looks whole");
    }
}

awaitable<void> too_long_response(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::response(200, repeated("abc", 100, 5));
    };
    connection_pair c = co_await t.connect(app);
    auto read = [&]() -> awaitable<std::string> {
        http::response r = co_await c.client.serve(get("/"));
        std::string text = co_await r.body().text();
        co_return text;
    };
    auto got = co_await attempt(read());
    t.expect(!got || got->size() <= 5, "no byte beyond the length that was said arrives");
}

awaitable<void> broken_request(trial& t) {
    std::optional<failure> seen;
    event over;
    auto app = [&](http::request r) -> awaitable<http::response> {
        const at_end end{over};
        auto text = co_await attempt(r.body().text());
        if (!text) seen = text.error();
        co_return http::text("whole");
    };
    connection_pair c = co_await t.connect(app);
    auto send = [&]() -> awaitable<std::string> {
        http::response r = co_await c.client.serve(post("/", failing("a part")));
        std::string text = co_await r.body().text();
        co_return text;
    };
    const failure f = co_await trial::failure_of(send());
    co_await over.wait();
    t.expect(seen.has_value(), "a request that is cut off never looks whole to the server");
    t.expect(f.kind() == failure_kind::exhausted, "and the client is told why it was");
}

awaitable<void> cancelled_request(trial& t) {
    stuck app;
    connection_pair c = co_await t.connect(calling(app));
    auto both = [&]() -> awaitable<void> {
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                http::response r = co_await c.client.serve(get("/"));
                trial::fail("a cancelled request was answered");
            });
            co_await app.begun.wait();
        });
    };
    co_await both();
    co_await app.ended.wait();
}

awaitable<void> timed_request(trial& t) {
    stuck app;
    connection_pair c = co_await t.connect(calling(app));
    const failure f = co_await trial::failure_of(with_deadline(100ms, c.client.serve(get("/"))));
    t.expect(f.kind() == failure_kind::timeout, "a time limit ends a request");
    co_await app.ended.wait();
}

awaitable<void> cancelled_pull(trial& t) {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&never, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n++ > 0) co_await never.wait();
            co_return weft::bytes("piece");
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(chunk.has_value(), "a piece");
    const failure f = co_await trial::failure_of(with_deadline(100ms, r.body().next()));
    t.expect(f.kind() == failure_kind::timeout, "a time limit ends a pull");
    never.set();
    chunk = co_await r.body().next();
    t.expect(chunk && chunk->view().starts_with("piece"), "and loses no byte");
    c.close();
}

awaitable<void> dropped_response(trial& t) {
    event ended;
    auto app = [&](http::request r) -> awaitable<http::response> {
        if (r.path() == "/") co_return http::text("next");
        auto end = std::make_shared<at_end>(ended);
        auto make = [end]() -> awaitable<std::optional<weft::bytes>> {
            co_return weft::bytes(std::string(50'000, 'x'));
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    {
        http::response r = co_await c.client.serve(get("/endless"));
        const std::optional<weft::bytes> chunk = co_await r.body().next();
        t.expect(chunk.has_value(), "a piece");
    }
    co_await ended.wait();  // what makes the body ends
    if (t.options.multiplexed) {
        const std::string text = co_await content_of(c, get("/"));
        t.equal(text, "next", "and the connection goes on");
    }
}

awaitable<void> dropped_small_response(trial& t) {
    auto app = [&](http::request) -> awaitable<http::response> { co_return http::text("small"); };
    connection_pair c = co_await t.connect(app);
    for (int i = 0; i < 3; ++i) {
        http::response r = co_await c.client.serve(get("/"));
        t.expect(r.status() == 200, "a response that is dropped unread");
    }
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "small", "costs nothing when it is small");
}

awaitable<void> response_outlives(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::response(200, repeated(std::string(50'000, 'x'), 100));
    };
    std::optional<http::response> r;
    {
        connection_pair c = co_await t.connect(app);
        r = co_await c.client.serve(get("/"));
        const std::optional<weft::bytes> chunk = co_await r->body().next();
        t.expect(chunk.has_value(), "a piece");
        c.close();
    }
    const failure f = co_await trial::failure_of(r->body().discard());
    t.expect(f.kind() == failure_kind::unavailable,
             "a response's body that outlives its connection fails as unavailable");
}

awaitable<void> request_outlives(trial& t) {
    std::optional<http::body> kept;
    auto app = [&](http::request r) -> awaitable<http::response> {
        kept = std::move(r.body());
        co_return http::text("answered");
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(post("/", std::string(200'000, 'x')));
    const std::string text = co_await r.body().text();
    t.equal(text, "answered", "the response arrives");
    c.close();
    co_await trial::until([&] { return c.serving() == 0; });
    const failure f = co_await trial::failure_of(kept->discard());
    t.expect(f.kind() == failure_kind::unavailable,
             "a request's body that outlives its exchange fails as unavailable");
}

awaitable<void> client_leaves(trial& t) {
    stuck app;
    connection_pair c = co_await t.connect(calling(app));
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn([&]() -> awaitable<void> {
            auto r = co_await attempt(c.client.serve(get("/")));
            t.expect(!r, "a closed connection does not answer");
        });
        co_await app.begun.wait();
        c.close();
        co_await app.ended.wait();
    });
    co_await trial::until([&] { return c.serving() == 0; });
}

awaitable<void> cut_before_response(trial& t) {
    stuck app;
    connection_pair c = co_await t.connect(calling(app));
    if (!c.cut) co_return c.close();
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        s.spawn([&]() -> awaitable<void> {
            co_await app.begun.wait();
            c.cut();
        });
        const failure f = co_await trial::failure_of(c.client.serve(get("/")));
        t.expect(f.kind() == failure_kind::unavailable, "a connection that breaks is unavailable");
        t.expect(f.delivered() != delivery::not_sent, "and the server may have seen the request");
        co_await app.ended.wait();
    });
    t.expect(!c.is_open(), "it is not open any more");
}

awaitable<void> cut_within_response(trial& t) {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&never, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n++ > 0) co_await never.wait();
            co_return weft::bytes("piece");
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    if (!c.cut) co_return c.close();
    http::response r = co_await c.client.serve(get("/"));
    const std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(chunk.has_value(), "a piece");
    c.cut();
    const failure f = co_await trial::failure_of(r.body().discard());
    t.expect(f.kind() == failure_kind::unavailable, "a body that breaks is unavailable");
    co_await trial::until([&] { return c.serving() == 0; });
}

awaitable<void> after_close(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> { co_return http::text("ok"); };
    connection_pair c = co_await t.connect(app);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "ok", "an exchange");
    t.expect(c.is_open(), "it is open");
    c.close();
    co_await trial::until([&] { return !c.is_open(); });
    for (int i = 0; i < 2; ++i) {
        const failure f = co_await trial::failure_of(c.client.serve(get("/")));
        t.expect(f.kind() == failure_kind::unavailable, "a closed connection is unavailable");
        t.expect(f.delivered() == delivery::not_sent, "and has sent nothing");
    }
    co_await trial::until([&] { return c.serving() == 0; });
}

constexpr connection_law laws[] = {
    {"a response may come before the request's body was read", early_response},
    {"a small body that is not read costs nothing", small_unread},
    {"what a handler throws is answered by its status, without its words", throwing_handler},
    {"a response that is cut off never looks whole", broken_response},
    {"no byte beyond the length that was said arrives", too_long_response},
    {"a request that is cut off never looks whole", broken_request},
    {"cancelling a request cancels its handler", cancelled_request},
    {"a time limit on a request cancels its handler", timed_request},
    {"cancelling a pull of the body loses no byte", cancelled_pull},
    {"dropping a response ends what makes it", dropped_response},
    {"dropping a small response costs nothing", dropped_small_response},
    {"a response's body may outlive its connection", response_outlives},
    {"a request's body may outlive its exchange", request_outlives},
    {"a client that leaves cancels the handler", client_leaves},
    {"a connection that breaks before the response is unavailable", cut_before_response},
    {"a connection that breaks within the response is unavailable", cut_within_response},
    {"a closed connection says so, and sends nothing", after_close},
};

}  // namespace

std::span<const connection_law> ending_laws() { return laws; }

}  // namespace weft::testing::http_laws
