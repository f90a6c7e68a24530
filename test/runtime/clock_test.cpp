// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/entropy.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <source_location>
#include <vector>

namespace asio = boost::asio;
using namespace weft;

TEST_CASE("one execution context has one context_info, whatever executor asks") {
    asio::io_context ioc;
    auto strand = asio::make_strand(ioc);
    const asio::any_io_executor erased = strand;
    context_info& info = context_info::of(ioc.get_executor());
    CHECK(&context_info::of(strand) == &info);
    CHECK(&context_info::of(erased) == &info);
    CHECK(&context_info::of(ioc) == &info);
    asio::thread_pool pool(1);
    CHECK(&context_info::of(pool.get_executor()) != &info);
    CHECK(&context_info::of(pool.get_executor()) == &context_info::of(pool));
    CHECK_FALSE(info.serial());
    CHECK_FALSE(info.virtual_time());
    CHECK(info.owner() == nullptr);
    CHECK(info.waits() == nullptr);
}

TEST_CASE("a context's clock is the machine's, and a virtual one replaces it") {
    asio::io_context ioc;
    context_info& info = context_info::of(ioc);
    const auto before = std::chrono::steady_clock::now();
    const auto seen = info.clock().now();
    CHECK(before <= seen);
    CHECK(seen <= std::chrono::steady_clock::now());
    CHECK(info.clock().wall_now() >= std::chrono::system_clock::from_time_t(1'700'000'000));

    struct stopped : weft::clock {
        [[nodiscard]] time_point now() const noexcept override {
            return time_point(std::chrono::hours(7));
        }
    } const_clock;
    info.use_virtual_time(const_clock);
    CHECK(info.clock().now().time_since_epoch() == std::chrono::hours(7));
    CHECK(info.virtual_time());
}

TEST_CASE("a live_token counts while it lives and moves with its owner") {
    std::atomic<std::int64_t> n{0};
    {
        live_token a(n);
        CHECK(n == 1);
        live_token b(std::move(a));
        CHECK(n == 1);
        live_token c;
        c = std::move(b);
        CHECK(n == 1);
        live_token d(n);
        CHECK(n == 2);
        c = std::move(d);
        CHECK(n == 1);
    }
    CHECK(n == 0);
}

TEST_CASE("external_work counts while it lives") {
    asio::io_context ioc;
    context_info& info = context_info::of(ioc);
    {
        external_work a(info);
        const external_work b(std::move(a));
        CHECK(info.external() == 1);
    }
    CHECK(info.external() == 0);
}

TEST_CASE("the wait registry lists waits in order of age, and survives any order of leaving") {
    asio::io_context ioc;
    context_info& info = context_info::of(ioc);
    wait_registry waits;
    info.use_waits(&waits);
    {
        const wait_scope one(info, "one", std::source_location::current());
        auto two = std::make_unique<wait_scope>(info, "two", std::source_location::current());
        const wait_scope three(info, "three", std::source_location::current());
        CHECK(waits.size() == 3);
        two.reset();
        const std::string text = waits.report();
        CHECK(text.find("  one at clock_test.cpp:") == 0);
        CHECK(text.find("  three at clock_test.cpp:") != std::string::npos);
        CHECK(text.find("two") == std::string::npos);
    }
    CHECK(waits.size() == 0);
    CHECK(waits.report().empty());
}

TEST_CASE("seeded entropy repeats itself for a seed and differs between seeds") {
    seeded_entropy a(1);
    seeded_entropy b(1);
    seeded_entropy c(2);
    for (int i = 0; i < 100; ++i) {
        const auto n = a.next();
        CHECK(n == b.next());
        CHECK(n != c.next());
    }
    // Fixed for good: a test that prints its seed must be repeatable on another machine and in
    // another year.
    seeded_entropy zero(0);
    CHECK(zero.next() == 11091344671253066420u);
    CHECK(zero.next() == 13793997310169335082u);
}

TEST_CASE("below() stays below, hits everything, and is even") {
    seeded_entropy random(42);
    CHECK(random.below(0) == 0);
    CHECK(random.below(1) == 0);
    std::array<int, 7> hits{};
    for (int i = 0; i < 70'000; ++i) ++hits[random.below(7)];
    for (const int n : hits) {
        CHECK(n > 9'500);
        CHECK(n < 10'500);
    }
    const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
    for (int i = 0; i < 100; ++i) CHECK(random.below(large) < large);
}

TEST_CASE("system entropy does not repeat, and shuffles") {
    system_entropy random;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random.next());
    CHECK(seen.size() == 1000);
    std::vector<int> v(100);
    std::iota(v.begin(), v.end(), 0);
    std::shuffle(v.begin(), v.end(), random);
    CHECK_FALSE(std::is_sorted(v.begin(), v.end()));
    std::array<std::byte, 13> block{};
    random.fill(block);
    CHECK(std::ranges::count(block, std::byte{0}) < 8);
}
