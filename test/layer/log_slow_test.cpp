// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/logfmt_observer.hpp>
#include <weft/layer/log_slow.hpp>
#include <weft/layer/phase.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/this_coro.hpp>
#include <doctest/doctest.h>

#include <string>

using namespace weft;
using namespace std::literals;
namespace asio = boost::asio;

namespace {

struct message {
    weft::clock::duration slow{};
    weft::extensions ext;
    const weft::extensions& extensions() const noexcept { return ext; }
    std::string call_name() const { return "GET /report"; }
};

bool has(const std::string& text, std::string_view what) { return text.find(what) != text.npos; }

/// What `log_slow(200ms)` says of a call to `service`.
template <class Service>
std::string told_of(message m, Service service) {
    std::string lines;
    testing::run([&]() -> awaitable<void> {
        auto listener = logfmt_observer(
            {.write = [&](std::string_view line) { lines += line; }, .locations = false});
        auto app = log_slow(200ms, listener) >> service;
        auto r = co_await attempt(app.serve(std::move(m)));
        (void)r;
    });
    return lines;
}

const auto sleeper = [](message m) -> awaitable<int> {
    co_await sleep_for(m.slow);
    co_return 1;
};

}  // namespace

TEST_CASE("a call within the limit is not told") {
    CHECK(told_of(message{200ms, {}}, sleeper) == "");
}

TEST_CASE("a slow call is told with its name and times") {
    const std::string line = told_of(message{812ms, {}}, sleeper);
    CHECK(has(line, "level=warn msg=\"slow call\" call=\"GET /report\" took_ms=812 limit_ms=200"));
    CHECK(has(line, "failed=false"));
    CHECK_FALSE(has(line, "from="));
    CHECK_FALSE(has(line, "phases="));
}

TEST_CASE("a slow failure is told with its failure, and goes on") {
    const std::string line = told_of(message{1s, {}}, [](message m) -> awaitable<int> {
        co_await sleep_for(m.slow);
        throw failure(failure_kind::unavailable, "gone");
        co_return 1;
    });
    CHECK(has(line, "failed=true"));
    CHECK(has(line, "failure=\"unavailable: gone\""));
}

TEST_CASE("a slow call names its peers") {
    extensions in, out;
    in.insert(net::peer_endpoint{net::parse_endpoint("192.0.2.7:40112")});
    out.insert(net::peer_endpoint{net::parse_endpoint("10.0.0.3:5432")});
    message m{1s, {}};
    m.ext.set_ingress(in.link());
    m.ext.set_egress(out.link());
    const std::string line = told_of(std::move(m), sleeper);
    CHECK(has(line, "from=192.0.2.7:40112"));
    CHECK(has(line, "to=10.0.0.3:5432"));
}

TEST_CASE(
    "a slow call names its phases, in their order, also those that its response alone knows") {
    const auto waits = [](message m) -> awaitable<message> {
        const weft::clock& time = context_info::of(co_await asio::this_coro::executor).clock();
        {
            phase_timer queue(m.ext, time, "queue");
            co_await sleep_for(90ms);
        }
        weft::extensions attempt = m.ext.fork();
        phase_timer connect(attempt, time, "connect");
        co_await sleep_for(600ms);
        connect.end();
        co_return message{0ms, attempt.fork()};
    };
    const std::string line = told_of(message{}, waits);
    CHECK(has(line, "phases=\"queue=90ms connect=600ms\""));

    const std::string failed = told_of(message{}, [](message m) -> awaitable<int> {
        const weft::clock& time = context_info::of(co_await asio::this_coro::executor).clock();
        phase_timer queue(m.ext, time, "queue");
        co_await sleep_for(300ms);
        throw failure(failure_kind::timeout, "late");
        co_return 1;
    });
    CHECK(has(failed, "phases=\"queue=300ms\""));
}

TEST_CASE("the observer of the request hears it instead of the fallback") {
    std::string heard, fallback;
    testing::run([&]() -> awaitable<void> {
        const auto into = [](std::string& to) {
            return logfmt_observer({.write = [&to](std::string_view line) { to += line; }});
        };
        auto app = log_slow(1ms, into(fallback)) >> sleeper;
        message m{1s, {}};
        m.ext.insert(into(heard));
        co_await app.serve(std::move(m));
    });
    CHECK(has(heard, "slow call"));
    CHECK(fallback == "");
}

TEST_CASE("log_slow works without extensions and without a response") {
    std::string lines;
    testing::run([&]() -> awaitable<void> {
        auto listener = logfmt_observer({.write = [&](std::string_view line) { lines += line; }});
        auto app =
            log_slow(1ms, listener) >> [](int) -> awaitable<void> { co_await sleep_for(1s); };
        co_await app.serve(1);
    });
    CHECK(has(lines, "call=int took_ms=1000"));
}
