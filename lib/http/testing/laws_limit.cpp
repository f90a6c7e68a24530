// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"

namespace weft::testing::http_laws {

namespace {

using namespace std::chrono_literals;
using trial = connection_trial;

const auto ok = [](http::request r) -> awaitable<http::response> {
    const std::string text = co_await r.body().text();
    co_return http::text(std::to_string(text.size()));
};

/// What a request that passes a limit comes to: a status, or 0 when the connection ended instead
/// (a protocol may refuse a whole connection).
awaitable<int> status_of(connection_pair& c, http::request r) {
    auto answer = co_await attempt(c.client.serve(std::move(r)));
    if (!answer) {
        trial::expect(answer.error().kind() != failure_kind::internal, "not classified");
        co_return 0;
    }
    auto rest = co_await attempt(answer->body().text());
    co_return answer->status().code();
}

awaitable<void> header_block(trial& t) {
    http::server_options limits;
    limits.max_header_block = 1000;
    connection_pair c = co_await t.connect(ok, limits);
    http::request small = get("/");
    small.headers().add("X-Long", std::string(500, 'v'));
    int status = co_await status_of(c, std::move(small));
    t.expect(status == 200, "fields within the limit pass");
    http::request large = get("/");
    large.headers().add("X-Long", std::string(2000, 'v'));
    status = co_await status_of(c, std::move(large));
    t.expect(status == 431, "fields beyond it are answered 431");
}

awaitable<void> fields(trial& t) {
    http::server_options limits;
    limits.max_fields = 20;
    connection_pair c = co_await t.connect(ok, limits);
    for (const int n : {10, 30}) {
        http::request r = get("/");
        for (int i = 0; i < n; ++i) r.headers().add("X-" + std::to_string(i), "v");
        const int status = co_await status_of(c, std::move(r));
        t.expect(status == (n == 10 ? 200 : 431), "more fields than the limit are answered 431");
    }
}

awaitable<void> target(trial& t) {
    http::server_options limits;
    limits.max_request_line = 500;
    connection_pair c = co_await t.connect(ok, limits);
    int status = co_await status_of(c, get("/" + std::string(300, 't')));
    t.expect(status == 200, "a target within the limit passes");
    status = co_await status_of(c, get("/" + std::string(1000, 't')));
    t.expect(status == 414, "a longer one is answered 414");
}

awaitable<void> announced_body(trial& t) {
    http::server_options limits;
    limits.max_body = 1000;
    connection_pair c = co_await t.connect(ok, limits);
    int status = co_await status_of(c, post("/", std::string(1000, 'b')));
    t.expect(status == 200, "a body of the largest size passes");
    status = co_await status_of(c, post("/", std::string(1001, 'b')));
    t.expect(status == 413, "a larger one is answered 413");
}

awaitable<void> growing_body(trial& t) {
    http::server_options limits;
    limits.max_body = 1000;
    connection_pair c = co_await t.connect(ok, limits);
    int status = co_await status_of(c, post("/", repeated(std::string(100, 'b'), 10)));
    t.expect(status == 200, "a streamed body of the largest size passes");
    status = co_await status_of(c, post("/", repeated(std::string(100, 'b'), 11)));
    t.expect(status == 413, "one that grows beyond it is answered 413");
}

awaitable<void> response_head(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        http::response answer = http::text("x");
        if (r.path() == "/long") answer.headers().set("X-Long", std::string(3000, 'v'));
        co_return answer;
    };
    http::client_options limits;
    limits.max_header_block = 1000;
    connection_pair c = co_await t.connect(app, {}, limits);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "x", "a response within the client's limit passes");
    const failure f = co_await trial::failure_of(c.client.serve(get("/long")));
    t.expect(f.kind() == failure_kind::protocol, "one beyond it is refused");
}

awaitable<void> text_limit(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::response(200, repeated(std::string(100, 'b'), 100));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    const failure f = co_await trial::failure_of(r.body().text(5000));
    t.expect(f.kind() == failure_kind::rejected, "who reads may set a limit of his own");
    c.close();
}

awaitable<void> no_answer(trial& t) {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        co_await never.wait();
        co_return http::text("never");
    };
    http::client_options limits;
    limits.response_timeout = 100ms;
    connection_pair c = co_await t.connect(app, {}, limits);
    const failure f = co_await trial::failure_of(c.client.serve(get("/")));
    t.expect(f.kind() == failure_kind::timeout, "a server that does not answer is a timeout");
    t.expect(f.delivered() == delivery::unknown, "which may have seen the request");
}

awaitable<void> stuck_response(trial& t) {
    event never;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&never, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n++ > 0) co_await never.wait();
            co_return weft::bytes("piece");
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    http::client_options limits;
    limits.body_timeout = 100ms;
    connection_pair c = co_await t.connect(app, {}, limits);
    http::response r = co_await c.client.serve(get("/"));
    const failure f = co_await trial::failure_of(r.body().discard());
    t.expect(f.kind() == failure_kind::timeout, "a body that does not go on is a timeout");
    c.close();
}

awaitable<void> stuck_request(trial& t) {
    event never;
    event over;
    std::optional<failure> seen;
    auto app = [&](http::request r) -> awaitable<http::response> {
        const at_end end{over};
        auto text = co_await attempt(r.body().text());
        if (!text) {
            seen = text.error();
            throw failure(text.error());
        }
        co_return http::text(*text);
    };
    http::server_options limits;
    limits.body_timeout = 100ms;
    connection_pair c = co_await t.connect(app, limits);
    auto make = [&never, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n++ > 0) co_await never.wait();
        co_return weft::bytes("piece");
    };
    const int status = co_await status_of(c, post("/", http::body::pull(std::move(make))));
    co_await over.wait();
    t.expect(seen && seen->kind() == failure_kind::timeout,
             "a request's body that does not go on is a timeout for the handler");
    t.expect(status == 408 || status == 0, "and answered 408");
}

awaitable<void> idle_server(trial& t) {
    http::server_options limits;
    limits.idle_timeout = 100ms;
    connection_pair c = co_await t.connect(ok, limits);
    const std::string text = co_await content_of(c, get("/"));
    t.equal(text, "0", "an exchange");
    co_await sleep_for(50ms);
    t.expect(c.serving() == 1, "an idle connection is kept for a while");
    co_await trial::until([&] { return c.serving() == 0; });
    co_await trial::until([&] { return !c.is_open() || !t.options.multiplexed; });
}

constexpr connection_law laws[] = {
    {"a header block beyond the limit is answered 431", header_block},
    {"more fields than the limit are answered 431", fields},
    {"a target beyond the limit is answered 414", target},
    {"a body that is announced beyond the limit is answered 413", announced_body},
    {"a body that grows beyond the limit is answered 413", growing_body},
    {"a response beyond the client's limit is refused", response_head},
    {"who reads a body may set a limit", text_limit},
    {"a server that does not answer is a timeout", no_answer},
    {"a response's body that stands still is a timeout", stuck_response},
    {"a request's body that stands still is a timeout", stuck_request},
    {"an idle connection is closed after its time", idle_server},
};

}  // namespace

std::span<const connection_law> limit_laws() { return laws; }

}  // namespace weft::testing::http_laws
