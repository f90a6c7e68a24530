// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Many who fall silent, in virtual time, where it can be said exactly when they are gone. What it
// costs a real server is measured by test/abuse.

#include "peers.hpp"
#include <weft/runtime/event.hpp>

#include <algorithm>
#include <vector>

using namespace peers;

namespace {

struct stage {
    const char* name;
    std::string says;
    std::chrono::milliseconds gone_after;  ///< from its coming
    const char* answer;                    ///< how what it got begins, "" for nothing
};

const http::server_options defaults;

/// Where a peer may fall silent, and the limit that ends it there.
std::vector<stage> stages() {
    return {
        {"before a request", "", defaults.idle_timeout, ""},
        {"within a head", "GET / HT", defaults.header_timeout + defaults.linger_timeout,
         "HTTP/1.1 408 "},
        {"after a response", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", defaults.idle_timeout,
         "HTTP/1.1 200 "},
        {"within a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
         defaults.body_timeout + defaults.linger_timeout, "HTTP/1.1 408 "},
        {"after a refusal", "nonsense\r\n\r\n", defaults.linger_timeout, "HTTP/1.1 400 "},
    };
}

awaitable<http::response> app(http::request r) {
    co_return http::text(std::to_string((co_await r.body().text()).size()));
}

}  // namespace

TEST_CASE("two thousand peers that fall silent are gone to the millisecond, wherever it was") {
    const auto all = stages();
    std::vector<std::chrono::milliseconds> last(all.size()), first(all.size(), 1h);
    std::vector<std::size_t> right(all.size());
    std::size_t asked = 0;
    testing::run([&]() -> awaitable<void> {
        const http::server server(app);
        const auto ex = co_await asio::this_coro::executor;
        co_await with_scope([&](task_scope& scope) -> awaitable<void> {
            std::size_t left = 2000;
            event gone;
            // What the server has is gone, not only what the peer sees: served() returns then.
            auto silent = [&](std::size_t which) -> awaitable<void> {
                auto [near, far] = io::duplex(ex);
                peer client(std::move(near));
                io::stream end = std::move(far);
                const auto from = now_of(ex);
                co_await with_scope([&](task_scope& both) -> awaitable<void> {
                    both.spawn([&]() -> awaitable<void> {
                        co_await server.serve(std::move(end));
                        const auto stayed = std::chrono::duration_cast<std::chrono::milliseconds>(
                            now_of(ex) - from);
                        first[which] = std::min(first[which], stayed);
                        last[which] = std::max(last[which], stayed);
                    });
                    if (!all[which].says.empty()) co_await client.say(all[which].says);
                    const std::string got = co_await client.rest();
                    if (got.starts_with(all[which].answer)) ++right[which];
                    // Still no FIN: its side stays open until the server has let go.
                    co_await sleep_for(5s);
                });
                if (--left == 0) gone.set();
            };
            for (std::size_t i = 0; i < 2000; ++i)
                scope.spawn([&, i]() -> awaitable<void> { return silent(i % all.size()); });
            // The bystander, meanwhile.
            auto [near, far] = io::duplex(ex);
            peer him(std::move(near));
            scope.spawn(server.serve(std::move(far)));
            while (!gone.is_set()) {
                co_await him.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                const std::string head = co_await him.head();
                REQUIRE(head.starts_with("HTTP/1.1 200 "));
                const std::string content = co_await him.take(1);
                REQUIRE(content == "0");
                ++asked;
                co_await sleep_for(1s);
            }
            him.stream = {};
            scope.cancel();
        });
    });
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(all[i].name);
        CHECK(right[i] == 400);
        // The wheel's grain, once for each limit on the way.
        CHECK(first[i] >= all[i].gone_after);
        CHECK(last[i] <= all[i].gone_after + 8ms);
    }
    CHECK(asked >= 60);
}
