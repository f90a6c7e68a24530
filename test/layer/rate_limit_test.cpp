// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "calls.hpp"
#include <weft/layer/rate_limit.hpp>

#include <array>
#include <atomic>
#include <thread>

using namespace calls;

namespace {

const auto echo = [](query q) -> awaitable<std::string> { co_return q.text; };
const auto by_text = [](const query& q) { return q.text; };

/// How many of `n` calls in a row pass.
template <class App>
awaitable<int> passing(const App& app, int n, std::string text = "x") {
    int passed = 0;
    for (int i = 0; i < n; ++i) {
        auto r = co_await attempt(app.serve(query(text)));
        passed += r ? 1 : 0;
    }
    co_return passed;
}

}  // namespace

TEST_CASE("a full bucket lets a burst pass, then one call an interval") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 10, .per = 1s, .burst = 5}) >> echo;
        CHECK(co_await passing(app, 8) == 5);
        co_await sleep_for(99ms);
        CHECK(co_await passing(app, 1) == 0);
        co_await sleep_for(1ms);
        CHECK(co_await passing(app, 2) == 1);
        co_await sleep_for(10s);
        CHECK(co_await passing(app, 100) == 5);
    });
}

TEST_CASE("over a long time exactly the rate passes") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 7, .per = 1s, .burst = 1}) >> echo;
        int passed = 0;
        for (int i = 0; i < 10'000; ++i) {
            passed += co_await passing(app, 1);
            co_await sleep_for(1ms);
        }
        CHECK(passed == 70);
    });
}

TEST_CASE("a rejected call says which limit, that nothing was sent, and when to come again") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 2, .per = 1s}) >> echo;
        CHECK(co_await passing(app, 2) == 2);
        co_await sleep_for(100ms);
        auto r = co_await attempt(app.serve(query("x")));
        REQUIRE_FALSE(r.has_value());
        const failure& f = r.error();
        CHECK(f.kind() == failure_kind::rejected);
        CHECK(f.delivered() == delivery::not_sent);
        CHECK(f.context("limit") == "2");
        CHECK(f.context("per_ms") == "1000");
        CHECK(f.retry_after() == 400ms);
        co_await sleep_for(*f.retry_after());
        CHECK(co_await passing(app, 1) == 1);
    });
}

TEST_CASE("calls may wait for their tokens, in order, and no longer than they may") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 10, .per = 1s, .burst = 1, .max_wait = 300ms}) >> echo;
        const auto start = co_await time_now();
        auto all = co_await at_once(app, 6);
        CHECK(failures(all) == 2);
        CHECK(all[3].has_value());
        CHECK_FALSE(all[4].has_value());
        CHECK(co_await since(start) >= 300);
        CHECK(co_await since(start) <= 302);
        CHECK(all[5].error().retry_after() == 100ms);
    });
}

TEST_CASE("who is cancelled while it waits leaves its token when nobody came after it") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 10, .per = 1s, .burst = 1, .max_wait = 10s}) >> echo;
        CHECK(co_await passing(app, 1) == 1);
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn([&]() -> awaitable<void> { co_await app.serve(query("gone")); });
            co_await sleep_for(10ms);
        });
        const auto start = co_await time_now();
        CHECK(co_await passing(app, 1) == 1);
        CHECK(co_await since(start) == 90);  // not 190
    });
}

TEST_CASE("each key has a bucket of its own") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 2, .per = 1s}, by_text) >> echo;
        CHECK(co_await passing(app, 5, "ann") == 2);
        CHECK(co_await passing(app, 5, "bob") == 2);
        CHECK(co_await passing(app, 5, "") == 2);
    });
}

TEST_CASE("an empty optional passes without limit; plain values are keys") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 1, .per = 1s},
                              [](const query& q) -> std::optional<std::uint32_t> {
                                  if (q.text == "free") return std::nullopt;
                                  return static_cast<std::uint32_t>(q.text.size());
                              }) >>
                   echo;
        CHECK(co_await passing(app, 5, "free") == 5);
        CHECK(co_await passing(app, 5, "ab") == 1);
        CHECK(co_await passing(app, 5, "cd") == 0);
        CHECK(co_await passing(app, 5, "abc") == 1);
    });
}

TEST_CASE("the number of keys is bounded, and keys at rest are forgotten without loss") {
    in_test([]() -> awaitable<void> {
        rate_limit limit({.limit = 1, .per = 1s, .max_keys = 64}, by_text);
        auto app = limit >> echo;
        // Ten thousand strangers, each once a millisecond: the table does not grow.
        for (int i = 0; i < 10'000; ++i) {
            CHECK(co_await passing(app, 1, "stranger" + std::to_string(i)) == 1);
            if (i % 16 == 0) co_await sleep_for(1s);
        }
        CHECK(limit.busy_keys(co_await time_now()) <= 128);
        co_await sleep_for(1s);
        CHECK(limit.busy_keys(co_await time_now()) == 0);
        // One who comes again before its bucket is at rest is known among others that are.
        CHECK(co_await passing(app, 2, "ann") == 1);
        co_await sleep_for(500ms);
        CHECK(co_await passing(app, 1, "ann") == 0);
    });
}

TEST_CASE("a flood of new keys never locks the table, and a busy key outlives idle ones") {
    in_test([]() -> awaitable<void> {
        rate_limit limit({.limit = 100, .per = 1s, .burst = 100, .max_keys = 8}, by_text);
        auto app = limit >> echo;
        CHECK(co_await passing(app, 100, "busy") == 100);
        for (int i = 0; i < 1000; ++i) CHECK(co_await passing(app, 1, std::to_string(i)) == 1);
        // Its bucket is the furthest from full, so that it was never the one to go.
        CHECK(co_await passing(app, 1, "busy") == 0);
    });
}

TEST_CASE("a new key does not pay for the busy one whose place it takes") {
    in_test([]() -> awaitable<void> {
        auto app = rate_limit({.limit = 1, .per = 1h, .max_keys = 8}, by_text) >> echo;
        for (int i = 0; i < 100; ++i) CHECK(co_await passing(app, 1, std::to_string(i)) == 1);
    });
}

TEST_CASE("SipHash-2-4 gives the reference's values") {
    // The first two and the last vector of its authors' reference: key 00..0f, input 00, 01, ...
    const detail::hash_secret secret{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    std::array<unsigned char, 64> input;
    for (unsigned i = 0; i < input.size(); ++i) input[i] = static_cast<unsigned char>(i);
    CHECK(detail::siphash(secret, input.data(), 0) == 0x726fdb47dd0e0e31u);
    CHECK(detail::siphash(secret, input.data(), 1) == 0x74f839c593dc67fdu);
    CHECK(detail::siphash(secret, input.data(), 15) == 0xa129ca6149be45e5u);
}

TEST_CASE("absurd rates do not overflow") {
    in_test([]() -> awaitable<void> {
        auto never = rate_limit({.limit = 1, .per = std::chrono::hours(24 * 365 * 90)}) >> echo;
        CHECK(co_await passing(never, 3) == 1);
        auto always = rate_limit({.limit = ~0ull, .per = 1ns, .burst = ~0ull}) >> echo;
        CHECK(co_await passing(always, 100) == 100);
        auto nothing = rate_limit({.limit = 0, .per = 1s}) >> echo;
        CHECK(co_await passing(nothing, 3) == 1);
        auto patient =
            rate_limit({.limit = 1, .per = 1s, .max_wait = weft::clock::duration::max()}) >> echo;
        CHECK(co_await passing(patient, 5) == 5);
    });
}

TEST_CASE("threads share a bucket without exceeding it") {
    detail::token_bucket bucket;
    const auto rate = detail::token_rate::of(1000, 1s, 1000);
    std::atomic<int> granted{0};
    std::array<std::thread, 4> threads;
    for (auto& t : threads)
        t = std::thread([&] {
            for (int i = 0; i < 1000; ++i)
                if (bucket.take(5'000'000'000, rate, 0).granted) ++granted;
        });
    for (auto& t : threads) t.join();
    CHECK(granted == 1000);
}
