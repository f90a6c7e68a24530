// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/http/client.hpp>
#include <weft/http/layer/circuit_breaker.hpp>
#include <weft/http/layer/concurrency_limit.hpp>
#include <weft/http/layer/load_shed.hpp>
#include <weft/http/layer/matcher.hpp>
#include <weft/http/layer/rate_limit.hpp>
#include <weft/http/layer/refuse.hpp>
#include <weft/http/layer/retry.hpp>
#include <weft/http/layer/server_errors.hpp>
#include <weft/http/server.hpp>
#include <weft/layer/count.hpp>
#include <weft/layer/hijack.hpp>
#include <weft/layer/log_slow.hpp>
#include <weft/net/matcher.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/mock_connector.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

namespace {

template <class Body>
void in_test(Body body) {
    testing::run([&]() -> awaitable<void> { co_await body(); });
}

const auto hello = [](http::request) -> awaitable<http::response> {
    co_return http::text("hello");
};
const auto slow = [](http::request) -> awaitable<http::response> {
    co_await sleep_for(100ms);
    co_return http::text("slow");
};

http::request get(std::string_view target = "/") { return {http::method::get, target}; }

/// The statuses of n calls at once.
template <class App>
awaitable<std::vector<int>> statuses(const App& app, int n) {
    std::vector<int> all(static_cast<std::size_t>(n));
    co_await with_scope([&](task_scope& s) -> awaitable<void> {
        for (int i = 0; i < n; ++i)
            s.spawn([&, i]() -> awaitable<void> {
                http::response r = co_await app.serve(get());
                all[static_cast<std::size_t>(i)] = r.status().code();
            });
        while (s.size() > 0) co_await sleep_for(1ms);
    });
    co_return all;
}

using codes = std::vector<int>;

/// Answers as the script says, then 200; counts.
struct scripted {
    std::vector<http::response (*)()> script;
    int& calls;
    awaitable<http::response> serve(http::request r) const {
        const std::string text = co_await r.body().text();
        const auto n = static_cast<std::size_t>(calls++);
        if (n < script.size()) co_return script[n]();
        co_return http::text("ok " + text);
    }
};

http::response unavailable() { return http::text("down", 503); }
http::response in_two_seconds() {
    http::response r = http::text("later", 429);
    r.headers().set("Retry-After", "2");
    return r;
}
http::response broken() { return http::text("broken", 500); }

retry_options eager(unsigned attempts = 3) {
    return {.attempts = attempts, .backoff = {.first = 0ms}, .budget = retry_budget::unlimited()};
}

}  // namespace

TEST_CASE("http::concurrency_limit answers 503 to what does not fit") {
    in_test([]() -> awaitable<void> {
        auto app = http::concurrency_limit(2) >> slow;
        CHECK(co_await statuses(app, 4) == codes{200, 200, 503, 503});
        auto patient =
            http::concurrency_limit({.max = 1, .max_waiting = 5, .max_wait = 150ms}) >> slow;
        CHECK(co_await statuses(patient, 3) == codes{200, 200, 503});
        http::response r = co_await app.serve(get());
        CHECK(r.status() == 200);
    });
}

TEST_CASE("http::rate_limit answers 429 and says when to come again") {
    in_test([]() -> awaitable<void> {
        auto app = http::rate_limit({.limit = 2, .per = 10s}) >> hello;
        CHECK(co_await statuses(app, 3) == codes{200, 200, 429});
        http::response r = co_await app.serve(get());
        CHECK(r.header("Retry-After") == "5");
        const std::string text = co_await r.body().text();
        CHECK(text == "Too Many Requests\n");
        co_await sleep_for(5s);
        http::response again = co_await app.serve(get());
        CHECK(again.status() == 200);
    });
}

TEST_CASE("http::rate_limit by the peer's address") {
    in_test([]() -> awaitable<void> {
        auto app = http::rate_limit({.limit = 1, .per = 1s}, net::by_peer_address()) >> hello;
        const auto from = [&](std::string_view peer) -> awaitable<int> {
            extensions connection;
            connection.insert(net::peer_endpoint{net::parse_endpoint(peer)});
            http::request r = get();
            r.extensions().set_ingress(connection.link());
            http::response answer = co_await app.serve(std::move(r));
            co_return answer.status().code();
        };
        CHECK(co_await from("192.0.2.1:1000") == 200);
        CHECK(co_await from("192.0.2.1:2000") == 429);
        CHECK(co_await from("192.0.2.2:1000") == 200);
        CHECK(co_await from("[::ffff:192.0.2.2]:1000") == 429);
        CHECK(co_await from("[2001:db8::1]:1000") == 200);
        CHECK(co_await from("[2001:db8::2:3]:1000") == 429);  // the same /64
        CHECK(co_await from("[2001:db8:0:1::1]:1000") == 200);
        // In memory nobody has an address.
        CHECK(co_await statuses(app, 3) == codes{200, 200, 200});
    });
}

TEST_CASE("http::load_shed answers 503 to what is above its limit") {
    in_test([]() -> awaitable<void> {
        auto app = http::load_shed({.target = 1s, .initial = 2, .min = 1}) >> slow;
        CHECK(co_await statuses(app, 4) == codes{200, 200, 503, 503});
    });
}

TEST_CASE("http::circuit_breaker counts 5xx and answers 503 with Retry-After") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        bool well = false;
        http::circuit_breaker breaker({.min_calls = 4, .open_for = 5s, .probes = 1});
        auto app = breaker >> [&](http::request) -> awaitable<http::response> {
            ++calls;
            co_return http::text("", well ? 200 : 500);
        };
        for (int i = 0; i < 4; ++i) (void)co_await app.serve(get());
        http::response r = co_await app.serve(get());
        CHECK(calls == 4);
        CHECK(r.status() == 503);
        CHECK(r.header("Retry-After") == "5");
        well = true;
        co_await sleep_for(5s);
        http::response again = co_await app.serve(get());
        CHECK(again.status() == 200);
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE("a request that is refused costs no throw, and its words are not the failure's") {
    const failure why = failure(failure_kind::rejected, "internal words").after(1500ms);
    http::response r = http::refuse(why, http::status::service_unavailable);
    CHECK(r.header("Retry-After") == "2");
    CHECK(std::string_view(*r.body().in_memory()) == "Service Unavailable\n");
    http::response unknown =
        http::refuse(failure(failure_kind::rejected, "x"), http::status::service_unavailable);
    CHECK_FALSE(unknown.header("Retry-After"));
}

TEST_CASE("http::retry sends idempotent requests again, with their bodies") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = http::retry(eager()) >> scripted{{unavailable, unavailable}, calls};
        http::response r = co_await app.serve(http::request(http::method::put, "/", "content"));
        const std::string text = co_await r.body().text();
        CHECK(text == "ok content");
        CHECK(calls == 3);
    });
}

TEST_CASE("http::retry leaves POST alone, unless it was not sent or is said to be repeatable") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = http::retry(eager()) >> scripted{{unavailable}, calls};
        http::response r = co_await app.serve(http::request(http::method::post, "/", "x"));
        CHECK(r.status() == 503);
        CHECK(calls == 1);
        calls = 0;
        auto any = http::retry(eager(), {.any_method = true}) >> scripted{{unavailable}, calls};
        http::response twice = co_await any.serve(http::request(http::method::post, "/", "x"));
        CHECK(twice.status() == 200);

        int tries = 0;
        for (const auto sent : {delivery::not_sent, delivery::unknown}) {
            tries = 0;
            auto broken_link =
                http::retry(eager()) >> [&](http::request) -> awaitable<http::response> {
                ++tries;
                throw failure(failure_kind::unavailable, "x").delivered(sent);
                co_return http::response();
            };
            auto result =
                co_await attempt(broken_link.serve(http::request(http::method::post, "/", "x")));
            CHECK_FALSE(result.has_value());
            CHECK(tries == (sent == delivery::not_sent ? 3 : 1));
        }
    });
}

TEST_CASE("http::retry does not touch other statuses, nor bodies that cannot be had again") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = http::retry(eager()) >> scripted{{broken}, calls};
        http::response r = co_await app.serve(get());
        CHECK(r.status() == 500);
        calls = 0;
        auto put = http::retry(eager()) >> scripted{{unavailable}, calls};
        auto make = [n = 0]() mutable -> awaitable<std::optional<bytes>> {
            if (n++ > 0) co_return std::nullopt;
            co_return bytes("once"s);
        };
        http::request streamed(http::method::put, "/", http::body::pull(make));
        http::response once = co_await put.serve(std::move(streamed));
        CHECK(once.status() == 503);
        CHECK(calls == 1);
    });
}

TEST_CASE("http::retry waits as long as Retry-After asks") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = http::retry(eager()) >> scripted{{in_two_seconds}, calls};
        const auto executor = co_await asio::this_coro::executor;
        weft::clock& time = context_info::of(executor).clock();
        const auto start = time.now();
        http::response r = co_await app.serve(get());
        CHECK(r.status() == 200);
        CHECK(time.now() - start == 2s);
    });
}

TEST_CASE("Retry-After is read as seconds and as a date beside the Date") {
    struct row {
        const char* value;
        const char* date;
        std::optional<weft::clock::duration> expected;
    };
    const row rows[] = {
        {"120", nullptr, 120s},
        {"0", nullptr, 0s},
        {"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:30 GMT", 7s},
        {"Sun, 06 Nov 1994 00:00:01 GMT", "Sat, 05 Nov 1994 23:59:59 GMT", 2s},
        {"Sun, 06 Nov 1994 08:49:30 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0s},
        {"Sun, 06 Nov 1994 08:49:37 GMT", nullptr, std::nullopt},
        {"-5", nullptr, std::nullopt},
        {"5 s", nullptr, std::nullopt},
        {"soon", nullptr, std::nullopt},
        {"", nullptr, std::nullopt},
        {"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:30 GMT", std::nullopt},
        {"99999999999999999999999", nullptr, std::chrono::hours(100 * 366 * 24)},
    };
    for (const row& each : rows) {
        CAPTURE(each.value);
        http::response r(503);
        r.headers().set("Retry-After", each.value);
        if (each.date) r.headers().set("Date", each.date);
        CHECK((http::retry_after(r) == each.expected));
    }
    CHECK_FALSE(http::retry_after(http::response(503)));
}

TEST_CASE("http::hedge sends safe requests twice, others once") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = http::hedge({.after = 50ms, .budget = retry_budget::unlimited()}) >>
                   [&](http::request) -> awaitable<http::response> {
            const int n = ++calls;
            if (n == 1) co_await sleep_for(1h);
            co_return http::text(std::to_string(n));
        };
        http::response r = co_await app.serve(get());
        const std::string text = co_await r.body().text();
        CHECK(text == "2");
        calls = 1;
        http::response once = co_await app.serve(http::request(http::method::put, "/", "x"));
        CHECK(once.status() == 200);
        CHECK(calls == 2);
    });
}

TEST_CASE("http::hedge works through a client and real codecs") {
    in_test([]() -> awaitable<void> {
        int calls = 0;
        auto app = [&](http::request) -> awaitable<http::response> {
            if (++calls == 1) co_await sleep_for(1h);
            co_return http::text("answer");
        };
        http::client client{testing::mock_connector(http::server(app))};
        auto quick = http::hedge({.after = 50ms, .budget = retry_budget::unlimited()}) >> client;
        http::response r = co_await quick.serve(get("http://a.test/"));
        const std::string text = co_await r.body().text();
        CHECK(text == "answer");
    });
}

TEST_CASE("http::retry reaches a server that refuses connections at first") {
    in_test([]() -> awaitable<void> {
        int connects = 0;
        testing::mock_connector server{http::server(hello)};
        auto connector = [&](net::connect_request to) -> awaitable<io::stream> {
            if (++connects < 3) throw failure(failure_kind::unavailable, "refused");
            io::stream s = co_await server.serve(std::move(to));
            co_return std::move(s);
        };
        http::client client{connector};
        auto api = http::retry(eager()) >> client;
        http::response r =
            co_await api.serve(http::request(http::method::post, "http://a.test/", "x"));
        CHECK(r.status() == 200);
        CHECK(connects == 3);
    });
}

TEST_CASE("http::server_errors are 5xx that are not about the request") {
    const http::server_errors failed;
    CHECK(failed(http::response(500)));
    CHECK(failed(http::response(503)));
    CHECK_FALSE(failed(http::response(501)));
    CHECK_FALSE(failed(http::response(505)));
    CHECK_FALSE(failed(http::response(404)));
    CHECK(failed(failure(failure_kind::timeout, "x")));
    CHECK_FALSE(failed(failure(failure_kind::rejected, "x")));
    in_test([]() -> awaitable<void> {
        weft::count counted(http::server_errors{});
        int calls = 0;
        auto app = counted >> scripted{{broken, unavailable}, calls};
        for (int i = 0; i < 5; ++i) (void)co_await app.serve(get());
        CHECK(counted.now().failed == 2);
        CHECK(counted.now().total == 5);
    });
}

TEST_CASE("log_slow names the call of a server and the peer of a client") {
    std::string lines;
    in_test([&]() -> awaitable<void> {
        auto listener = logfmt_observer({.write = [&](std::string_view l) { lines += l; }});
        http::client client{testing::mock_connector(http::server(slow))};
        auto watched = log_slow(50ms, listener) >> client;
        (void)co_await watched.serve(get("http://a.test/report?secret=1"));
    });
    CHECK(lines.find("call=\"GET /report\"") != lines.npos);
    CHECK(lines.find("secret") == lines.npos);
}

TEST_CASE("log_slow tells how long a client took to connect, through a retry and for failures") {
    std::string lines;
    in_test([&]() -> awaitable<void> {
        auto listener = logfmt_observer({.write = [&](std::string_view l) { lines += l; }});
        testing::mock_connector server{http::server(hello)};
        bool refuses = false;
        auto connector = [&](net::connect_request to) -> awaitable<io::stream> {
            co_await sleep_for(300ms);
            if (refuses) throw failure(failure_kind::unavailable, "refused");
            io::stream s = co_await server.serve(std::move(to));
            co_return std::move(s);
        };
        http::client client{connector};
        auto api = log_slow(50ms, listener) >> http::retry(eager(2)) >> client;
        http::response r = co_await api.serve(get("http://a.test/"));
        const std::string text = co_await r.body().text();
        CHECK(text == "hello");
        CHECK(lines.find("phases=\"connect=300ms wait=0ms\"") != lines.npos);
        lines.clear();
        // On a connection that was kept there is nothing to tell.
        http::response again = co_await api.serve(get("http://a.test/"));
        CHECK(lines == "");
        refuses = true;
        http::client other{connector};
        auto failing = log_slow(50ms, listener) >> other;
        auto failed = co_await attempt(failing.serve(get("http://b.test/")));
        CHECK_FALSE(failed.has_value());
        CHECK(lines.find("phases=\"connect=300ms\"") != lines.npos);
    });
}

TEST_CASE("hijack with HTTP matchers") {
    in_test([]() -> awaitable<void> {
        const auto health = [](http::request) -> awaitable<http::response> {
            co_return http::text("well");
        };
        auto app = hijack(http::path_is("/health") && http::method_is(http::method::get), health) >>
                   http::concurrency_limit(1) >> hello;
        http::response r = co_await app.serve(get("/health?x=1"));
        const std::string text = co_await r.body().text();
        CHECK(text == "well");
        http::response other = co_await app.serve(http::request(http::method::post, "/health"));
        const std::string greeting = co_await other.body().text();
        CHECK(greeting == "hello");
    });
}
