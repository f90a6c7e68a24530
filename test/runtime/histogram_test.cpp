// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/histogram.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using weft::histogram;

TEST_CASE("an empty histogram has no percentiles") {
    const histogram h;
    CHECK(h.count() == 0);
    CHECK(h.max() == 0ns);
    CHECK(h.percentile(0.99) == 0ns);
}

TEST_CASE("a percentile is at most a sixteenth above the truth, whatever the size") {
    for (std::int64_t ns = 0; ns < (std::int64_t{1} << 45); ns = ns * 9 / 8 + 1) {
        histogram h;
        h.record(std::chrono::nanoseconds(ns));
        h.record(20h);
        const auto half = h.percentile(0.5).count();
        CHECK(half >= ns);
        CHECK(half - ns <= ns / 16);
    }
}

TEST_CASE("percentiles are those of what was recorded") {
    histogram h;
    for (int i = 1; i <= 1000; ++i) h.record(std::chrono::microseconds(i));
    CHECK(h.count() == 1000);
    CHECK(h.max() == 1ms);
    CHECK(h.percentile(0) <= 1us + 63ns);
    CHECK(h.percentile(0.5) >= 500us);
    CHECK(h.percentile(0.5) <= 532us);
    CHECK(h.percentile(0.99) >= 990us);
    CHECK(h.percentile(1) == 1ms);
}

TEST_CASE("below zero counts as nothing, and what is longer than the last bucket as that") {
    histogram h;
    h.record(-5ms);
    CHECK(h.percentile(1) == 0ns);
    h.record(1000h);
    CHECK(h.max() == 1000h);
    CHECK(h.percentile(1) <= 1000h);
    CHECK(h.percentile(1) >= 19h);
}

TEST_CASE("a stall counts for all who would have asked meanwhile") {
    histogram h;
    h.record_stall(1s, 100ms);  // 1 s, 900 ms, ... 100 ms
    CHECK(h.count() == 10);
    CHECK(h.max() == 1s);
    CHECK(h.percentile(0.5) >= 500ms);
    CHECK(h.percentile(0.5) <= 532ms);
    h.record_stall(100ms, 100ms);
    CHECK(h.count() == 11);
}

TEST_CASE("a stall of a day is told in a thousand steps, not in millions, and counts in full") {
    histogram h;
    h.record_stall(20h, 1ms);
    CHECK(h.count() == 20ull * 3600 * 1000);
    CHECK(h.percentile(0.5) >= 9h);
    CHECK(h.percentile(0.5) <= 11h);
}

TEST_CASE("histograms are copied, added and cleared") {
    histogram a;
    a.record(3ms);
    histogram b = a;
    b.record(5ms);
    CHECK(a.count() == 1);
    a.add(b);
    CHECK(a.count() == 3);
    CHECK(a.max() == 5ms);
    a.clear();
    CHECK(a.count() == 0);
    CHECK(a.max() == 0ns);
    CHECK(b.count() == 2);
}
