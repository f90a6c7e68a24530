// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "peers.hpp"
#include <weft/core/deadline.hpp>
#include <weft/http/client.hpp>
#include <weft/http/layer/retry.hpp>
#include <weft/layer/phase.hpp>
#include <weft/layer/timeout.hpp>
#include <weft/net/tcp.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace peers;

namespace {

/// What came, in the words of the wire.
const auto mirror = [](http::request r) -> awaitable<http::response> {
    std::string text(r.method().text());
    text.append(" ").append(r.target()).append("\n");
    for (const auto& f : r.headers()) text.append(f.name).append(": ").append(f.value).append("\n");
    const std::string body = co_await r.body().text();
    co_return http::text(text + "\n" + body);
};

awaitable<std::string> sent(http::request_builder b) {
    http::response r = co_await std::move(b).send();
    co_return co_await r.body().text();
}

std::vector<std::string> phases_of(const http::response& r) {
    std::vector<std::string> text;
    const auto newest_first = r.extensions().all<phase>();
    for (std::size_t i = newest_first.size(); i-- > 0;)
        text.push_back(fmt::format("{}", newest_first[i]));
    return text;
}

http::client to(http::any_app app, http::client_options options = {}) {
    return http::client(testing::mock_connector(http::server(std::move(app))), options);
}

}  // namespace

TEST_CASE("forms are encoded as browsers do") {
    testing::run([]() -> awaitable<void> {
        http::client client = to(mirror);
        const std::string text = co_await sent(
            client.post("http://a/")
                .form({{"name", "Ann & Bob"}, {"q", "1+1=2"}, {"é", "~*-._"}, {"empty", ""}}));
        CHECK(has(text, "Content-Type: application/x-www-form-urlencoded\n"));
        CHECK(text.ends_with("\n\nname=Ann+%26+Bob&q=1%2B1%3D2&%C3%A9=%7E*-._&empty="));
    });
}

TEST_CASE("fields are added one by one, or many") {
    testing::run([]() -> awaitable<void> {
        http::client client = to(mirror);
        const http::headers common{{"X-Team", "shop"}, {"X-Trace", "1"}};
        const std::string text =
            co_await sent(client.get("http://a/").header("X-Trace", "0").headers(common));
        CHECK(has(text, "X-Trace: 0\nX-Team: shop\nX-Trace: 1\n"));
    });
}

TEST_CASE("authorization is sent as its RFC says, and refused without showing it") {
    testing::run([]() -> awaitable<void> {
        http::client client = to(mirror);
        struct row {
            const char* user;
            const char* password;
            const char* sent;
        };
        for (const row& w : {row{"Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
                             row{"", "", "Og=="}, row{"a", "", "YTo="}, row{"ab", "", "YWI6"},
                             row{"test", "123\xc2\xa3", "dGVzdDoxMjPCow=="}}) {
            const std::string text =
                co_await sent(client.get("http://a/").basic_auth(w.user, w.password));
            CHECK(has(text, "Authorization: Basic " + std::string(w.sent) + "\n"));
        }
        const std::string text = co_await sent(client.get("http://a/").bearer_auth("a.B-9~+/=="));
        CHECK(has(text, "Authorization: Bearer a.B-9~+/==\n"));
        for (const char* token : {"", "SECRET x", "SECRET\r\nX: y", "SECRET\xc3\xa9"}) {
            try {
                (void)client.get("http://a/").bearer_auth(token);
                FAIL("it was taken");
            } catch (const failure& f) {
                CHECK(f.kind() == failure_kind::invalid_input);
                CHECK(!has(f.what(), "SECRET"));
            }
        }
        CHECK_THROWS_AS((void)client.get("http://a/").basic_auth("a:b", "c"), failure);
        CHECK_THROWS_AS((void)client.get("http://a/").basic_auth("a", "c\n"), failure);
    });
}

TEST_CASE("a file is a body with its length") {
    const auto path = std::filesystem::temp_directory_path() / "weft_client_stack_test.txt";
    std::ofstream(path) << "from a file";
    testing::run_real([&]() -> awaitable<void> {
        http::client client = to(mirror);
        const std::string text =
            co_await sent(client.put("http://a/").file(path, "text/plain").header("X", "1"));
        CHECK(has(text, "Content-Type: text/plain\n"));
        CHECK(has(text, "Content-Length: 11\n"));
        CHECK(text.ends_with("\n\nfrom a file"));
        CHECK_THROWS_AS((void)client.put("http://a/").file("/nonexistent/x"), failure);
    });
    std::filesystem::remove(path);
}

TEST_CASE("a response says where its time went") {
    testing::run([]() -> awaitable<void> {
        auto app = [](http::request) -> awaitable<http::response> {
            co_await sleep_for(20ms);
            http::response answer;
            answer.set_body(
                http::body::pull([n = 0]() mutable -> awaitable<std::optional<weft::bytes>> {
                    if (n++ == 2) co_return std::nullopt;
                    co_await sleep_for(50ms);
                    co_return weft::bytes("x");
                }));
            co_return answer;
        };
        auto mock = testing::mock_connector(http::server(app));
        auto far = [&](net::connect_request q) -> awaitable<io::stream> {
            co_await sleep_for(30ms);
            co_return co_await mock.serve(std::move(q));
        };
        http::client_options options;
        options.max_connections_per_host = 1;
        http::client client(far, options);
        http::response first = co_await client.get("http://a/").send();
        CHECK(phases_of(first) == std::vector<std::string>{"connect=30ms", "wait=20ms"});
        const http::body_time* body = first.extensions().get<http::body_time>();
        REQUIRE(body);
        CHECK(!body->took());
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                http::response next = co_await client.get("http://a/").send();
                CHECK(phases_of(next) == std::vector<std::string>{"queue=100ms", "wait=20ms"});
                co_await next.body().discard();
            });
            co_await first.body().discard();
            co_await sleep_for(1s);
        });
        CHECK(body->took() == 100ms);
        http::response kept = co_await client.get("http://a/").send();
        CHECK(phases_of(kept) == std::vector<std::string>{"wait=20ms"});
    });
}

TEST_CASE("a deadline in the extensions bounds waiting, connecting, retrying and the answer") {
    testing::run([]() -> awaitable<void> {
        const auto ex = co_await asio::this_coro::executor;
        auto never = [](http::request) -> awaitable<http::response> {
            co_await sleep_for(1h);
            co_return http::text("late");
        };
        auto busy = [](http::request) -> awaitable<http::response> {
            co_return http::text("busy", 503);
        };
        auto nowhere = [](net::connect_request) -> awaitable<io::stream> {
            co_await sleep_for(1h);
            co_return io::stream();
        };
        http::client_options one;
        one.max_connections_per_host = 1;
        http::client answering = to(never);
        http::client connecting(nowhere);
        http::client waiting = to(never, one);
        http::client retrying = to(busy).with(http::retry({.attempts = 1000}));
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> {
                auto holds = co_await attempt(waiting.get("http://a/").send());
            });
            co_await sleep_for(1ms);
            for (const auto& [client, name] :
                 {std::pair(&answering, "answer"), std::pair(&connecting, "connect"),
                  std::pair(&waiting, "queue"), std::pair(&retrying, "retry")}) {
                CAPTURE(name);
                for (const bool by_timeout : {true, false}) {
                    const auto began = now_of(ex);
                    http::request_builder b = client->get("http://a/");
                    if (by_timeout)
                        b.timeout(2s);
                    else
                        b.extension(deadline{now_of(ex) + 2s}).timeout(1h);
                    auto r = co_await attempt(std::move(b).send());
                    CHECK(now_of(ex) - began <= 2010ms);
                    if (client == &retrying)
                        CHECK(r->status() == 503);  // the last answer that there was
                    else
                        CHECK(r.error().kind() == failure_kind::timeout);
                }
            }
        });
    });
}

TEST_CASE("layers go around a client, and share its connections") {
    testing::run([]() -> awaitable<void> {
        int calls = 0;
        auto app = [&](http::request) -> awaitable<http::response> {
            if (++calls % 3 != 0) co_return http::text("busy", 503);
            co_return http::text("ok");
        };
        auto mock = testing::mock_connector(http::server(app));
        http::client client(weft::timeout(2s) >> mock);
        std::vector<std::string> targets;
        auto spy = layer_fn([&](http::request r, const auto& next) {
            targets.emplace_back(r.target());
            return next(std::move(r));
        });
        http::client api = client.with(http::retry({.attempts = 3}) >> spy);
        http::response r = co_await api.get("http://a/x").send();
        CHECK(r.status() == 200);
        CHECK(targets == std::vector<std::string>(3, "http://a/x"));
        co_await r.body().discard();
        http::response other = co_await client.get("http://a/").send();
        CHECK(other.status() == 503);
        co_await other.body().discard();
        CHECK(mock.connections() == 1);
        CHECK(client.statistics() == api.statistics());
        CHECK(client.describe() ==
              "pool -> http handshake -> tls -> connect timeout -> timeout -> mock connector");
        CHECK(api.describe() == "retry -> layer fn -> " + client.describe());
        CHECK(http::client().describe().find("pool -> http handshake -> ") == 0);
        CHECK(http::client(mirror).describe() == "a function");
        co_await api.close();
        auto late = co_await attempt(client.get("http://a/").send());
        CHECK(!late);
    });
}

TEST_CASE("a layer around an application that is a client's transport") {
    testing::run([]() -> awaitable<void> {
        http::client client =
            http::client(mirror).with(layer_fn([](http::request r, const auto& next) {
                r.headers().set("X-Layer", "1");
                return next(std::move(r));
            }));
        const std::string text = co_await sent(client.get("http://shop.test/y"));
        CHECK(text.starts_with("GET /y\nX-Layer: 1\nHost: shop.test\n"));
        CHECK(client.statistics() == http::pool_statistics{});
        co_await client.close();
    });
}

TEST_CASE("options put layers around the pool: redirects, retry, cookies, compressed content") {
    testing::run([]() -> awaitable<void> {
        int calls = 0;
        auto app = [&](http::request r) -> awaitable<http::response> {
            if (r.path() == "/old") {
                http::response there = http::redirect("/new");
                there.headers().set("Set-Cookie", "seen=1");
                co_return there;
            }
            if (++calls == 1) co_return http::text("busy", 503);
            std::string text(r.header("Cookie").value_or("none"));
            text.append(" ").append(r.header("Accept-Encoding").value_or("none"));
            co_return http::text(text);
        };
        http::client_options options;
        options.redirects.emplace();
        options.retry.emplace();
        options.cookies.emplace();
        options.decompress.emplace();
        http::client client = to(app, options);
        CHECK(client.describe().starts_with(
            "redirects -> retry -> cookies -> decompress -> pool -> http handshake -> tls -> "));
        http::response r = co_await client.get("http://a.test/old").send();
        CHECK(r.status() == 200);
        CHECK(r.extensions().get<http::redirect_hop>());
        const std::string text = co_await r.body().text();
        CHECK(text.starts_with("seen=1 gzip"));
        CHECK(calls == 2);
        // None of them is there unasked.
        http::client plain = to(app);
        http::response as_it_came = co_await plain.get("http://a.test/old").send();
        CHECK(as_it_came.status() == 302);
    });
}
