// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/io/duplex.hpp>
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
#include <weft/testing/layer_suite.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace weft;
using namespace std::literals;

namespace {

template <class Make>
void keeps_the_laws(Make make, testing::layer_suite_options options = {}) {
    const testing::layer_suite suite(make, options);
    for (const testing::stream_layer_law& law : testing::layer_laws()) {
        INFO(law.name);
        CHECK(suite.check(law) == "");
    }
}

const auto nothing = [](io::stream) -> awaitable<void> { co_return; };

}  // namespace

TEST_CASE("layer laws over stream -> void: timeout") {
    keeps_the_laws([] { return weft::timeout(24h * 365); });
}
TEST_CASE("layer laws over stream -> void: log_slow") {
    keeps_the_laws([] { return log_slow(24h * 365); });
}
TEST_CASE("layer laws over stream -> void: map_request") {
    keeps_the_laws([] { return map_request([](io::stream s) { return s; }); });
    keeps_the_laws([] {
        return map_request([](io::stream s) -> awaitable<io::stream> { co_return std::move(s); });
    });
}
TEST_CASE("layer laws over stream -> void: map_response") {
    keeps_the_laws([] { return map_response([] {}); });
}
TEST_CASE("layer laws over stream -> void: map_failure") {
    keeps_the_laws([] { return map_failure([](failure f) { return f; }); });
}
TEST_CASE("layer laws over stream -> void: catch_failure") {
    keeps_the_laws([] { return catch_failure([](const failure&) {}); }, {.passes_failures = false});
    keeps_the_laws([] { return catch_failure([](const failure&) { return false; }); });
}
TEST_CASE("layer laws over stream -> void: hijack") {
    keeps_the_laws([] { return hijack([](const io::stream&) { return false; }, nothing); });
}
TEST_CASE("layer laws over stream -> void: add_extension") {
    keeps_the_laws([] { return add_extension("x"s); });
}
TEST_CASE("layer laws over stream -> void: concurrency_limit") {
    keeps_the_laws([] { return concurrency_limit(16); });
    keeps_the_laws([] { return concurrency_limit({.max = 3, .max_waiting = 32}); });
}
TEST_CASE("layer laws over stream -> void: rate_limit") {
    keeps_the_laws([] { return rate_limit({.limit = 10'000, .per = 1s}); });
    keeps_the_laws(
        [] { return rate_limit({.limit = 10'000, .per = 1s, .burst = 1, .max_wait = 10s}); });
    keeps_the_laws([] {
        return rate_limit({.limit = 10'000, .per = 1s}, [](const io::stream&) { return 7; });
    });
}
TEST_CASE("layer laws over stream -> void: load_shed") {
    keeps_the_laws([] { return load_shed({.target = 24h, .initial = 16, .min = 16}); });
}
TEST_CASE("layer laws over stream -> void: retry") {
    keeps_the_laws([] { return retry(); });
}
TEST_CASE("layer laws over stream -> void: hedge") {
    keeps_the_laws([] { return hedge(); });
}
TEST_CASE("layer laws over stream -> void: circuit_breaker") {
    keeps_the_laws([] { return circuit_breaker(); });
}
TEST_CASE("layer laws over stream -> void: count") {
    keeps_the_laws([] { return weft::count(); });
}

namespace {

// Layers that break a law each: the suite must see it.

struct swallows : pipeable {
    template <class Req, class Next>
    auto serve(Req r, const Next& next) const -> awaitable<void> {
        try {
            co_await next(std::move(r));
        } catch (...) {
            co_return;
        }
    }
};
struct calls_twice : pipeable {
    template <class Req, class Next>
    auto serve(Req r, const Next& next) const -> awaitable<void> {
        auto [near, far] = io::duplex(r.get_executor());
        co_await next(std::move(r));
        near = io::stream();
        auto again = co_await attempt(next(std::move(far)));
        static_cast<void>(again);
    }
};
struct keeps_a_place : pipeable {
    std::shared_ptr<std::atomic<int>> left = std::make_shared<std::atomic<int>>(10);
    template <class Req, class Next>
    auto serve(Req r, const Next& next) const -> awaitable<void> {
        if (--*left < 0) throw failure(failure_kind::rejected, "full");
        co_await next(std::move(r));
        ++*left;  // not when it throws
    }
};
struct begins_early : pipeable {
    std::shared_ptr<std::atomic<int>> left = std::make_shared<std::atomic<int>>(50);
    template <class Req, class Next>
    auto serve(Req r, const Next& next) const {
        if (--*left < 0) throw failure(failure_kind::rejected, "full");
        return next(std::move(r));
    }
};
struct one_at_a_time : pipeable {
    std::shared_ptr<std::atomic<bool>> busy = std::make_shared<std::atomic<bool>>(false);
    template <class Req, class Next>
    auto serve(Req r, const Next& next) const -> awaitable<void> {
        if (busy->exchange(true)) throw failure(failure_kind::rejected, "busy");
        struct free {
            std::atomic<bool>& b;
            ~free() { b = false; }
        } freeing{*busy};
        co_await next(std::move(r));
    }
};

template <class Layer>
std::vector<std::string> broken_by() {
    const testing::layer_suite suite([] { return Layer(); });
    std::vector<std::string> broken;
    for (const testing::stream_layer_law& law : testing::layer_laws())
        if (suite.check(law) != "") broken.emplace_back(law.name);
    return broken;
}

bool has(const std::vector<std::string>& v, std::string_view what) {
    return std::find(v.begin(), v.end(), what) != v.end();
}

}  // namespace

TEST_CASE("the layer suite sees a layer that swallows failures and cancellations") {
    const auto broken = broken_by<swallows>();
    CHECK(has(broken, "a failure of the service comes out with its kind"));
    CHECK(has(broken, "a cancellation reaches the service and comes out as one"));
}
TEST_CASE("the layer suite sees a layer that calls twice") {
    CHECK(has(broken_by<calls_twice>(), "the service is called once"));
}
TEST_CASE("the layer suite sees a layer that loses places") {
    const auto broken = broken_by<keeps_a_place>();
    CHECK(has(broken, "after calls that were cancelled it works as before"));
    CHECK(has(broken, "calls that are destroyed give back what they held"));
}
TEST_CASE("the layer suite sees a layer that begins before it is awaited") {
    CHECK(has(broken_by<begins_early>(), "nothing begins before the call is awaited"));
}
TEST_CASE("the layer suite sees a layer that bears one call at a time") {
    const auto broken = broken_by<one_at_a_time>();
    CHECK(has(broken, "many calls at once do not mix"));
    CHECK(has(broken, "a service may call itself through it"));
}
