// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"

namespace weft::testing::http_laws {

namespace {

using namespace std::chrono_literals;
using trial = connection_trial;

/// More than any buffers between two programs on one machine hold.
constexpr std::size_t endless = std::size_t{256} << 20;
constexpr std::size_t piece_size = 64 * 1024;

/// A body that counts what was asked of it, and would go on for very long.
http::body counted(std::size_t& made) {
    auto make = [&made]() -> awaitable<std::optional<weft::bytes>> {
        if (made >= endless) co_return std::nullopt;
        made += piece_size;
        co_return weft::bytes(std::string(piece_size, 'c'));
    };
    return http::body::pull(std::move(make));
}

/// Until the counter stands still.
awaitable<std::size_t> settled(const std::size_t& n) {
    for (;;) {
        const std::size_t before = n;
        co_await sleep_for(50ms);
        if (n == before) co_return n;
    }
}

awaitable<void> response_pressure(trial& t) {
    std::size_t made = 0;
    auto app = [&](http::request) -> awaitable<http::response> {
        co_return http::response(200, counted(made));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    const std::size_t ahead = co_await settled(made);
    t.expect(ahead < endless / 2, "a response is not made faster than it is read");
    std::optional<weft::bytes> chunk = co_await r.body().next();
    for (std::size_t n = 0; chunk && n < 2 * ahead; n += chunk->size())
        chunk = co_await r.body().next();
    const std::size_t later = co_await settled(made);
    t.expect(later > ahead, "and goes on when it is");
    c.close();
    r.set_body({});
}

awaitable<void> request_pressure(trial& t) {
    std::size_t made = 0;
    std::size_t ahead = 0;
    auto app = [&](http::request r) -> awaitable<http::response> {
        ahead = co_await settled(made);
        const std::optional<weft::bytes> chunk = co_await r.body().next();
        co_return http::text(chunk ? "enough" : "nothing");
    };
    http::server_options options;
    options.max_body = 2 * endless;
    connection_pair c = co_await t.connect(app, options);
    http::response r = co_await c.client.serve(post("/", counted(made)));
    const std::string text = co_await r.body().text();
    t.equal(text, "enough", "the answer comes before the body has been sent");
    t.expect(ahead < endless / 2, "a request's body is not made faster than it is read");
    co_await trial::until([&] { return !c.is_open() || t.options.multiplexed; });
    const std::size_t end = co_await settled(made);
    t.expect(end < endless / 2, "and what nobody wants is not sent");
}

awaitable<void> pieces_of_response(trial& t) {
    event read;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&read, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
            if (n == 3) co_return std::nullopt;
            if (n > 0) {
                co_await read.wait();
                read.reset();
            }
            co_return weft::bytes(std::to_string(n++));
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    for (int n = 0; n < 3; ++n) {
        const std::optional<weft::bytes> chunk = co_await r.body().next();
        t.expect(chunk && std::string_view(*chunk) == std::to_string(n),
                 "a piece of a response arrives before the next is made");
        read.set();
    }
    const std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(!chunk, "and then the end");
}

awaitable<void> pieces_of_request(trial& t) {
    event read;
    auto app = [&](http::request r) -> awaitable<http::response> {
        std::string seen;
        while (const std::optional<weft::bytes> chunk = co_await r.body().next()) {
            seen += std::string_view(*chunk);
            read.set();
        }
        co_return http::text(seen);
    };
    connection_pair c = co_await t.connect(app);
    auto make = [&read, n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n == 3) co_return std::nullopt;
        if (n > 0) {
            co_await read.wait();
            read.reset();
        }
        co_return weft::bytes(std::to_string(n++));
    };
    const std::string text = co_await content_of(c, post("/", http::body::pull(std::move(make))));
    t.equal(text, "012", "a piece of a request arrives before the next is made");
}

awaitable<void> conversation(trial& t) {
    // Both bodies are open at once: each piece is answered by one.
    auto app = [](http::request r) -> awaitable<http::response> {
        auto make = [body = std::make_shared<http::body>(
                         std::move(r.body()))]() -> awaitable<std::optional<weft::bytes>> {
            const std::optional<weft::bytes> chunk = co_await body->next();
            if (!chunk) co_return std::nullopt;
            co_return weft::bytes("<" + std::string(std::string_view(*chunk)) + ">");
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    auto [writer, content] = http::body::channel();
    http::request r = post("/", std::move(content));
    http::response answer = co_await c.client.serve(std::move(r));
    for (const char* word : {"one", "two", "three"}) {
        co_await writer.write(weft::bytes(std::string(word)));
        const std::optional<weft::bytes> chunk = co_await answer.body().next();
        t.expect(chunk && std::string_view(*chunk) == "<" + std::string(word) + ">",
                 "a piece is answered while both bodies are open");
    }
    writer.close();
    const std::optional<weft::bytes> chunk = co_await answer.body().next();
    t.expect(!chunk, "and the end by the end");
}

awaitable<void> head_first(trial& t) {
    event seen;
    auto app = [&](http::request) -> awaitable<http::response> {
        auto make = [&]() -> awaitable<std::optional<weft::bytes>> {
            co_await seen.wait();
            co_return std::nullopt;
        };
        co_return http::response(200, http::body::pull(std::move(make)));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    t.expect(r.status() == 200, "the head does not wait for a content that takes its time");
    seen.set();
    const std::string text = co_await r.body().text();
    t.equal(text, "", "and the content comes when it is made");
}

constexpr connection_law laws[] = {
    {"a response is made no faster than it is read", response_pressure},
    {"a request's body is made no faster than it is read", request_pressure},
    {"a piece of a response arrives before the next is made", pieces_of_response},
    {"a piece of a request arrives before the next is made", pieces_of_request},
    {"both bodies of an exchange may be open at once", conversation},
    {"the head of a response does not wait for its content", head_first},
};

}  // namespace

std::span<const connection_law> pace_laws() { return laws; }

}  // namespace weft::testing::http_laws
