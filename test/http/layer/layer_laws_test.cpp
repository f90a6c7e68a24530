// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/circuit_breaker.hpp>
#include <weft/http/layer/concurrency_limit.hpp>
#include <weft/http/layer/load_shed.hpp>
#include <weft/http/layer/matcher.hpp>
#include <weft/http/layer/rate_limit.hpp>
#include <weft/http/layer/retry.hpp>
#include <weft/http/layer/timeout.hpp>
#include <weft/http/testing/layer_suite.hpp>
#include <weft/layer/add_extension.hpp>
#include <weft/layer/catch_failure.hpp>
#include <weft/layer/circuit_breaker.hpp>
#include <weft/layer/concurrency_limit.hpp>
#include <weft/layer/count.hpp>
#include <weft/layer/hedge.hpp>
#include <weft/layer/hijack.hpp>
#include <weft/layer/load_shed.hpp>
#include <weft/layer/log_slow.hpp>
#include <weft/layer/map_failure.hpp>
#include <weft/layer/map_request.hpp>
#include <weft/layer/map_response.hpp>
#include <weft/layer/rate_limit.hpp>
#include <weft/layer/retry.hpp>
#include <weft/layer/timeout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace weft;
using namespace std::literals;

namespace {

template <class Make>
std::vector<std::string> broken_by(Make make, testing::layer_suite_options options = {}) {
    const testing::http_layer_suite suite(make, options);
    std::vector<std::string> broken;
    for (const testing::http_layer_law& law : testing::http_layer_laws()) {
        const std::string what = suite.check(law);
        if (what != "") broken.push_back(std::string(law.name) + ": " + what);
    }
    return broken;
}

template <class Make>
void keeps_the_laws(Make make, testing::layer_suite_options options = {}) {
    for (const std::string& what : broken_by(make, options)) FAIL_CHECK(what);
}

const auto nothing = [](http::request) -> awaitable<http::response> { co_return http::response(); };

}  // namespace

TEST_CASE("layer laws over http: timeout and http::timeout") {
    keeps_the_laws([] { return weft::timeout(24h * 365); });
    keeps_the_laws([] { return http::timeout(24h * 365); });
}
TEST_CASE("layer laws over http: log_slow") {
    keeps_the_laws([] { return log_slow(24h * 365); });
}
TEST_CASE("layer laws over http: map_request, map_response, map_failure") {
    keeps_the_laws([] { return map_request([](http::request r) { return r; }); });
    keeps_the_laws([] { return map_response([](http::response r) { return r; }); });
    keeps_the_laws([] { return map_failure([](failure f) { return f; }); });
}
TEST_CASE("layer laws over http: catch_failure") {
    keeps_the_laws([] { return catch_failure([](const failure&) { return http::text("", 500); }); },
                   {.passes_failures = false});
}
TEST_CASE("layer laws over http: hijack and add_extension") {
    keeps_the_laws([] { return hijack(http::path_is("/other"), nothing); });
    keeps_the_laws([] { return add_extension("x"s); });
}
TEST_CASE("layer laws over http: concurrency_limit") {
    keeps_the_laws([] { return concurrency_limit(16); });
    keeps_the_laws([] { return concurrency_limit({.max = 3, .max_waiting = 32}); });
    keeps_the_laws([] { return http::concurrency_limit(16); });
    keeps_the_laws([] { return http::concurrency_limit({.max = 3, .max_waiting = 32}); });
}
TEST_CASE("layer laws over http: rate_limit") {
    keeps_the_laws([] { return rate_limit({.limit = 10'000, .per = 1s}); });
    keeps_the_laws(
        [] { return http::rate_limit({.limit = 10'000, .per = 1s, .burst = 1, .max_wait = 10s}); });
    keeps_the_laws([] {
        return http::rate_limit({.limit = 10'000, .per = 1s},
                                [](const http::request& r) { return std::string(r.path()); });
    });
}
TEST_CASE("layer laws over http: load_shed") {
    keeps_the_laws([] { return load_shed({.target = 24h, .initial = 16, .min = 16}); });
    keeps_the_laws([] { return http::load_shed({.target = 24h, .initial = 16, .min = 16}); });
}
TEST_CASE("layer laws over http: retry") {
    const retry_options quick{.backoff = {.first = 1ms}};
    // The failures of the laws are said to have been processed: only an idempotent one is repeated.
    keeps_the_laws([quick] { return retry(quick); });
    keeps_the_laws([quick] { return http::retry(quick); });
}
TEST_CASE("layer laws over http: hedge") {
    keeps_the_laws([] { return http::hedge(); });
    keeps_the_laws([] { return hedge(hedge_options{.after = 24h * 30}); });
}
TEST_CASE("layer laws over http: circuit_breaker") {
    keeps_the_laws([] { return circuit_breaker(); });
    keeps_the_laws([] { return http::circuit_breaker(); });
}
TEST_CASE("layer laws over http: count") {
    keeps_the_laws([] { return weft::count(); });
}

namespace {

/// Reads the whole body before it hands it on.
struct collects : pipeable {
    template <class Next>
    awaitable<http::response> serve(http::request r, const Next& next) const {
        http::response answer = co_await next(std::move(r));
        bytes all = co_await answer.body().read_all(1000);
        answer.set_body(std::move(all));
        co_return answer;
    }
};
/// Makes a new request, and forgets what it knew.
struct forgets : pipeable {
    template <class Next>
    awaitable<http::response> serve(http::request r, const Next& next) const {
        http::request fresh(r.head(), std::move(r.body()));
        co_return co_await next(std::move(fresh));
    }
};

bool has(const std::vector<std::string>& v, std::string_view what) {
    return std::any_of(v.begin(), v.end(),
                       [&](const std::string& s) { return s.starts_with(what); });
}

}  // namespace

TEST_CASE("the layer suite sees a layer that collects bodies") {
    const auto broken = broken_by([] { return collects(); });
    CHECK(has(broken, "a response's body is passed on as it comes"));
    CHECK(has(broken, "trailers pass both ways"));
}
TEST_CASE("the layer suite sees a layer that loses extensions") {
    CHECK(has(broken_by([] { return forgets(); }), "the request's extensions reach the service"));
}
