// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "connection_trial.hpp"

namespace weft::testing::http_laws {

namespace {

using trial = connection_trial;

const auto echo_text = [](http::request r) -> awaitable<http::response> {
    std::string text = co_await r.body().text(std::size_t{64} << 20);
    co_return http::text(std::move(text));
};

const auto echo = [](http::request r) -> awaitable<http::response> {
    co_return http::response(200, std::move(r.body()));
};

/// Bytes of all values, no two pages alike.
std::string noise(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t state = 12345;
    for (char& c : text) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return text;
}

awaitable<void> empty_bodies(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        const bool known = r.body().size() == std::uint64_t{0};
        const std::string text = co_await r.body().text();
        co_return http::text(known && text.empty() ? "empty" : "not empty");
    };
    connection_pair c = co_await t.connect(app);
    for (int i = 0; i < 2; ++i) {
        const std::string posted = co_await content_of(c, post("/", {}));
        t.equal(posted, "empty", "a POST without content is empty");
        const std::string got = co_await content_of(c, get("/"));
        t.equal(got, "empty", "so is a GET");
    }
    const std::string streamed = co_await content_of(c, post("/", repeated("x", 0)));
    t.expect(streamed == "empty" || streamed == "not empty", "a stream of nothing arrives");
}

awaitable<void> in_memory(trial& t) {
    connection_pair c = co_await t.connect(echo_text);
    for (const std::size_t size : {1u, 2u, 1000u, 16u * 1024u, 100'000u}) {
        const std::string data = noise(size);
        const std::string text = co_await content_of(c, post("/", data));
        t.expect(text == data, "a body in memory arrives as it was, of any bytes");
    }
}

awaitable<void> sized(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        const auto size = r.body().size();
        const std::string text = co_await r.body().text();
        co_return http::text(std::to_string(size.value_or(0)) + ":" + text);
    };
    connection_pair c = co_await t.connect(app);
    const std::string text = co_await content_of(c, post("/", repeated("abc", 4, 12)));
    t.equal(text, "12:abcabcabcabc", "the size of a request's body is known where it was said");
}

awaitable<void> unsized(trial& t) {
    connection_pair c = co_await t.connect(echo_text);
    for (int i = 0; i < 3; ++i) {
        const std::string text = co_await content_of(c, post("/", repeated("piece;", 5)));
        t.equal(text, "piece;piece;piece;piece;piece;", "a body of unknown size arrives whole");
    }
}

awaitable<void> response_kinds(trial& t) {
    auto app = [](http::request r) -> awaitable<http::response> {
        if (r.path() == "/memory") co_return http::text("abcabc");
        if (r.path() == "/sized") co_return http::response(200, repeated("abc", 2, 6));
        co_return http::response(200, repeated("abc", 2));
    };
    connection_pair c = co_await t.connect(app);
    for (const char* path : {"/memory", "/sized", "/unsized", "/sized"}) {
        http::response r = co_await c.client.serve(get(path));
        if (path != std::string_view("/unsized"))
            t.expect(r.body().size() == std::uint64_t{6}, "the size is known where it was said");
        const std::string text = co_await r.body().text();
        t.equal(text, "abcabc", "a response's body arrives whole, of whatever kind");
        t.expect(r.body().empty(), "and is empty then");
    }
}

awaitable<void> end_stays(trial& t) {
    connection_pair c = co_await t.connect(echo);
    http::response r = co_await c.client.serve(post("/", "x"));
    std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(chunk && std::string_view(*chunk) == "x", "a chunk");
    for (int i = 0; i < 3; ++i) {
        chunk = co_await r.body().next();
        t.expect(!chunk, "after the end there is nothing more");
    }
}

awaitable<void> large(trial& t) {
    connection_pair c = co_await t.connect(echo_text);
    const std::string data = noise(2'000'000);
    const std::string text = co_await content_of(c, post("/", data));
    t.expect(text == data, "two megabytes pass both ways");
}

awaitable<void> large_streamed(trial& t) {
    connection_pair c = co_await t.connect(echo);
    const std::string piece = noise(40'000);
    http::response r = co_await c.client.serve(post("/", repeated(piece, 50)));
    std::uint64_t n = 0;
    while (std::optional<weft::bytes> chunk = co_await r.body().next()) {
        const std::string_view got(*chunk);
        for (std::size_t i = 0; i < got.size(); i += 997)
            t.expect(got[i] == piece[(n + i) % piece.size()], "other bytes than were sent");
        n += got.size();
    }
    t.expect(n == 2'000'000, "two megabytes come back while they are sent");
}

awaitable<void> many_small(trial& t) {
    connection_pair c = co_await t.connect(echo);
    http::response r = co_await c.client.serve(post("/", repeated("12345678", 5000)));
    const std::uint64_t n = co_await r.body().discard();
    t.expect(n == 40'000, "five thousand small pieces pass both ways");
}

awaitable<void> file(trial& t) {
    auto app = [](http::request) -> awaitable<http::response> {
        co_return http::response(200, http::body::file("/proc/self/exe"));
    };
    connection_pair c = co_await t.connect(app);
    http::response r = co_await c.client.serve(get("/"));
    std::optional<weft::bytes> chunk = co_await r.body().next();
    t.expect(chunk && std::string_view(*chunk).substr(1, 3) == "ELF", "a file is sent");
}

constexpr connection_law laws[] = {
    {"an empty body is empty at the other side", empty_bodies},
    {"a body in memory arrives whole, of any bytes and size", in_memory},
    {"a body whose size was said arrives with it", sized},
    {"a body of unknown size arrives whole", unsized},
    {"every kind of response body arrives whole", response_kinds},
    {"the end of a body stays the end", end_stays},
    {"two megabytes in memory pass both ways", large},
    {"two megabytes come back while they are being sent", large_streamed},
    {"thousands of small pieces pass both ways", many_small},
    {"a file is sent, and may be left half read", file},
};

}  // namespace

std::span<const connection_law> body_laws() { return laws; }

}  // namespace weft::testing::http_laws
