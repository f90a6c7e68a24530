// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Whole exchanges of a client and a server, which a fault may hit anywhere.

#include "peers.hpp"
#include <weft/runtime/race.hpp>

namespace exchange_test {

using namespace peers;

inline constexpr std::size_t large = 200'000;

/// Nothing that a fault explains: it breaks the plan.
inline void demand(bool holds, const char* what) {
    if (!holds) throw failure(failure_kind::internal, what);
}

inline http::body pieces(int n) {
    return http::body::pull([n]() mutable -> awaitable<std::optional<weft::bytes>> {
        if (n-- == 0) co_return std::nullopt;
        co_await sleep_for(10ms);
        co_return weft::bytes("piece");
    });
}

inline awaitable<void> echo_stream(io::stream s) {
    std::array<char, 64> buffer;
    while (std::size_t n = co_await s.read(asio::buffer(buffer)))
        co_await s.write(asio::const_buffer(buffer.data(), n));
}

inline const auto app = [](http::request r) -> awaitable<http::response> {
    if (r.path() == "/pieces") {
        http::headers sum{{"Sum", "7"}};
        co_return http::response(200, pieces(3).with_trailers(std::move(sum)));
    }
    if (r.path() == "/large") co_return http::text(std::string(large, 'l'));
    if (r.path() == "/upgrade") {
        http::response answer(http::status::switching_protocols);
        answer.headers().set("Upgrade", "echo");
        answer.on_upgrade(echo_stream);
        co_return answer;
    }
    if (r.path() == "/no") co_return http::text("no", 403);
    if (r.path() == "/echo") co_return co_await echo(std::move(r));
    if (r.path() == "/channel") {
        auto [writer, content] = http::body::channel(1);
        co_await with_scope([&, w = std::move(writer)](task_scope& s) mutable -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                co_await w.write(weft::bytes("through "));
                co_await w.write(weft::bytes("a channel"));
                w.close();
            });
            content = http::body(co_await content.text());
        });
        co_return http::response(200, std::move(content));
    }
    if (r.method() == http::method::post) {
        const std::string text = co_await r.body().text();
        co_return http::text(text);
    }
    co_await sleep_for(10ms);
    co_return http::text("hello");
};

struct exchange {
    const char* name;
    /// Throws `internal` when it came to something that no fault explains.
    awaitable<void> (*work)(http::client, std::string at);
};

/// A request that comes too slowly is answered 408.
inline void demand_status(const http::response& r, int status) {
    if (r.status() == 408) throw failure(failure_kind::timeout, "the server answered 408");
    demand(r.status() == http::status(status), "another status");
}

inline awaitable<void> expect(http::response r, std::string text) {
    demand_status(r, 200);
    const std::string got = co_await r.body().text();
    demand(got == text, "other content");
}

inline const exchange exchanges[] = {
    {"GET",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at).send();
         co_await expect(std::move(r), "hello");
     }},
    {"HEAD",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.head(at).send();
         demand_status(r, 200);
         demand(r.headers().content_length() == 5, "no length");
         co_await expect(std::move(r), "");
     }},
    {"POST",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.post(at).body("content").send();
         co_await expect(std::move(r), "content");
     }},
    {"POST with a streamed body, echoed with trailers",
     [](http::client c, std::string at) -> awaitable<void> {
         http::headers sum{{"Sum", "7"}};
         http::body content = pieces(3).with_trailers(std::move(sum));
         http::response r = co_await c.post(at + "echo").body(std::move(content)).send();
         co_await expect(std::move(r), "piecepiecepiece");
     }},
    {"POST that expects 100-continue",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r =
             co_await c.post(at).header("Expect", "100-continue").body("content").send();
         co_await expect(std::move(r), "content");
     }},
    {"an expectation that is turned down",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r =
             co_await c.post(at + "no").header("Expect", "100-continue").body("content").send();
         demand_status(r, 403);
         const std::string got = co_await r.body().text();
         demand(got == "no", "other content");
     }},
    {"a chunked response with trailers",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "pieces").send();
         demand_status(r, 200);
         std::string got;
         while (std::optional<weft::bytes> chunk = co_await r.body().next())
             got += std::string_view(*chunk);
         demand(got == "piecepiecepiece", "other content");
         http::headers* t = r.body().trailers();
         demand(t && t->get("Sum") == "7", "no trailers");
     }},
    {"an upgrade",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "upgrade").header("Upgrade", "echo").send();
         demand_status(r, 101);
         io::stream s = r.take_upgraded();
         co_await s.write(weft::bytes("over the tunnel"));
         std::string got;
         std::array<char, 64> buffer;
         while (got.size() < 15) {
             const std::size_t n = co_await s.read(asio::buffer(buffer));
             if (n == 0) throw failure(failure_kind::unavailable, "the tunnel ended");
             got.append(buffer.data(), n);
         }
         demand(got == "over the tunnel", "other content");
     }},
    {"three requests, one connection",
     [](http::client c, std::string at) -> awaitable<void> {
         for (int i = 0; i < 3; ++i) {
             http::response r = co_await c.post(at).body("content").send();
             co_await expect(std::move(r), "content");
         }
     }},
    {"two requests at a time",
     [](http::client c, std::string at) -> awaitable<void> {
         auto one = [](http::client client, std::string url) -> awaitable<void> {
             http::response r = co_await client.get(url).send();
             co_await expect(std::move(r), "hello");
         };
         co_await when_all(one(c, at), one(c, at));
     }},
    {"a large response, dropped after its first piece",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "large").send();
         demand_status(r, 200);
         std::optional<weft::bytes> chunk = co_await r.body().next();
         demand(chunk.has_value(), "no content");
     }},
    {"a large response",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "large").send();
         demand_status(r, 200);
         const std::uint64_t n = co_await r.body().discard();
         demand(n == large, "other content");
     }},
    {"a large streamed body, echoed",
     [](http::client c, std::string at) -> awaitable<void> {
         auto make = [left = 6]() mutable -> awaitable<std::optional<weft::bytes>> {
             if (left-- == 0) co_return std::nullopt;
             co_return weft::bytes(std::string(30'000, 'e'));
         };
         http::response r = co_await c.post(at + "echo").body(http::body::pull(make)).send();
         demand_status(r, 200);
         const std::uint64_t n = co_await r.body().discard();
         demand(n == 180'000, "other content");
     }},
    {"a body through a channel",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "channel").send();
         co_await expect(std::move(r), "through a channel");
     }},
    {"a time limit over it all",
     [](http::client c, std::string at) -> awaitable<void> {
         http::response r = co_await c.get(at + "pieces").timeout(5s).send();
         co_await expect(std::move(r), "piecepiecepiece");
     }},
};

}  // namespace exchange_test
