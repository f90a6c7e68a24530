// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

using time_point = deadlines::time_point;

/// An io_context whose time is moved by hand.
struct by_hand {
    struct hand_clock : weft::clock {
        [[nodiscard]] time_point now() const noexcept override { return at; }
        time_point at{1000s};
    };

    explicit by_hand(bool serial = true) {
        info.set_serial(serial);
        info.use_virtual_time(time);
    }
    /// Moves time, as one jump, and runs what was fired.
    std::size_t go(deadlines::duration d) { return go_to(time.at + d); }
    std::size_t go_to(time_point t) {
        time.at = t;
        wheel.advance_to(t);
        ioc.restart();
        return ioc.poll();
    }
    /// Moves time from deadline to deadline until none is left.
    void drain() {
        while (const auto next = wheel.next_deadline()) go_to(*next);
    }

    hand_clock time;
    asio::io_context ioc{1};
    context_info& info = context_info::of(ioc);
    deadlines& wheel = info.deadlines();
};

struct limit : deadlines::entry {
    limit(by_hand& h, std::function<void()> f)
        : entry(h.wheel, h.ioc.get_executor(),
                [](entry& e) noexcept { static_cast<limit&>(e).on_fire(); }),
          on_fire(std::move(f)) {}
    std::function<void()> on_fire;
};

constexpr time_point round_up(time_point t) {
    const auto tick = std::chrono::duration_cast<deadlines::duration>(deadlines::tick);
    return time_point((t.time_since_epoch() + tick - deadlines::duration(1)) / tick * tick);
}

}  // namespace

TEST_CASE("a limit fires once, at its tick, and never before its time") {
    for (const auto length : {0ms, 1ms, 3ms, 4ms, 5ms, 100ms, 255ms, 256ms, 257ms, 1'000ms,
                              16'384ms, 3'600'000ms, 90'000'000ms, 3'000'000'000ms}) {
        by_hand h;
        h.time.at += 1ms;  // off the grid
        std::vector<time_point> fired;
        limit l(h, [&] { fired.push_back(h.time.now()); });
        l.arm_after(length);
        CHECK(l.armed());
        const time_point due = h.time.at + length;
        REQUIRE(h.wheel.next_deadline() == round_up(due));
        CHECK(h.go_to(round_up(due) - 1ns) == 0);
        CHECK(fired.empty());
        h.go_to(round_up(due));
        REQUIRE(fired.size() == 1);
        CHECK_FALSE(l.armed());
        h.go(24h * 365);
        CHECK(fired.size() == 1);
        CHECK(h.wheel.size() == 0);
        CHECK(h.wheel.next_deadline() == std::nullopt);
    }
}

TEST_CASE("limits fire in the order of their times, in one jump too") {
    by_hand h;
    std::string order;
    std::vector<std::unique_ptr<limit>> all;
    for (const char c : std::string("hcaegbdf")) {
        all.push_back(std::make_unique<limit>(h, [&order, c] { order += c; }));
        // From 5 ms to 5^8 ms, over several levels.
        std::chrono::milliseconds length{1};
        for (char k = 'a'; k <= c; ++k) length *= 5;
        all.back()->arm_after(length);
    }
    SUBCASE("step by step") { h.drain(); }
    SUBCASE("in one jump") { h.go(24h); }
    CHECK(order == "abcdefgh");
}

TEST_CASE("re-arming to a later time moves the firing, again and again") {
    by_hand h;
    int fired = 0;
    limit l(h, [&] { ++fired; });
    for (int i = 0; i < 1000; ++i) {
        l.arm_after(10s);
        h.go(9s);
        CHECK(h.wheel.size() == 1);
    }
    CHECK(fired == 0);
    CHECK(h.wheel.next_deadline() == h.time.at + 1s);
    h.go(1s);
    CHECK(fired == 1);
}

TEST_CASE("re-arming to an earlier time fires earlier") {
    by_hand h;
    int fired = 0;
    limit l(h, [&] { ++fired; });
    l.arm_after(60s);
    l.arm_after(10s);
    CHECK(h.wheel.next_deadline() == h.time.at + 10s);
    h.go(10s);
    CHECK(fired == 1);
    h.go(1h);
    CHECK(fired == 1);
}

TEST_CASE("a disarmed limit does not fire, is no deadline, and can be armed again") {
    by_hand h;
    int fired = 0;
    limit l(h, [&] { ++fired; });
    l.disarm();
    l.arm_after(1s);
    l.disarm();
    l.disarm();
    CHECK_FALSE(l.armed());
    CHECK(h.wheel.next_deadline() == std::nullopt);
    h.go(1min);
    CHECK(fired == 0);
    l.arm_after(10s);
    l.disarm();
    l.arm_after(2s);  // earlier than the slot it sits in
    h.go(2s);
    CHECK(fired == 1);
    l.arm_after(1s);
    l.disarm();
    l.arm_after(30s);  // later
    h.go(29s);
    CHECK(fired == 1);
    h.go(1s);
    CHECK(fired == 2);
    CHECK(h.info.live().deadlines == 0);
}

TEST_CASE("the callback may arm, disarm and destroy its entry") {
    by_hand h;
    int fired = 0;
    std::unique_ptr<limit> l;
    SUBCASE("arm") {
        l = std::make_unique<limit>(h, [&] {
            if (++fired < 5) l->arm_after(1s);
        });
        l->arm_after(1s);
        h.drain();
        CHECK(fired == 5);
    }
    SUBCASE("disarm") {
        l = std::make_unique<limit>(h, [&] {
            ++fired;
            l->disarm();
            CHECK_FALSE(l->armed());
        });
        l->arm_after(1s);
        h.drain();
        CHECK(fired == 1);
    }
    SUBCASE("destroy") {
        l = std::make_unique<limit>(h, [&] {
            ++fired;
            l.reset();
        });
        l->arm_after(1s);
        h.drain();
        CHECK(fired == 1);
        CHECK(l == nullptr);
    }
    SUBCASE("destroy a neighbour that was fired with it") {
        auto other = std::make_unique<limit>(h, [&] { ++fired; });
        l = std::make_unique<limit>(h, [&] {
            ++fired;
            other.reset();
        });
        l->arm_after(1s);
        other->arm_after(1s);
        h.drain();
        CHECK(fired == 1);
    }
    CHECK(h.info.live().deadlines == 0);
}

TEST_CASE("a posted firing does nothing once its entry was disarmed, armed anew or destroyed") {
    by_hand h;
    int fired = 0;
    auto l = std::make_unique<limit>(h, [&] { ++fired; });
    l->arm_after(1s);
    h.time.at += 1s;
    CHECK(h.wheel.advance_to(h.time.at) == 1);  // posted, not yet run
    CHECK(l->armed());
    SUBCASE("disarmed") {
        l->disarm();
        CHECK_FALSE(l->armed());
        h.go(1h);
        CHECK(fired == 0);
    }
    SUBCASE("armed anew") {
        l->arm_after(5s);
        h.go(4s);
        CHECK(fired == 0);
        h.go(1s);
        CHECK(fired == 1);
    }
    SUBCASE("destroyed") {
        l.reset();
        h.go(1h);
        CHECK(fired == 0);
    }
    SUBCASE("left alone") {
        h.go(0s);
        CHECK(fired == 1);
    }
}

TEST_CASE("a limit too far away to count never fires, and one in the past fires at once") {
    by_hand h;
    int fired = 0;
    limit l(h, [&] { ++fired; });
    l.arm_after(deadlines::duration::max());
    h.go(24h * 365 * 100);
    CHECK(fired == 0);
    CHECK(l.armed());
    l.arm_at(time_point{} - 1h);
    CHECK(h.wheel.next_deadline() <= h.time.at);
    h.go(0s);
    CHECK(fired == 1);
    l.arm_after(-1h);
    h.go(0s);
    CHECK(fired == 2);
}

TEST_CASE("a random life of many entries agrees with a plain model") {
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        const bool serial = seed % 2 == 0;
        by_hand h(serial);
        std::mt19937 random(seed);
        struct modelled {
            std::unique_ptr<limit> entry;
            std::optional<time_point> due;
        };
        std::vector<modelled> all(40);
        std::size_t fired = 0;
        const auto create = [&](modelled& m) {
            m.due.reset();
            m.entry = std::make_unique<limit>(h, [&] {
                ++fired;
                REQUIRE(m.due);
                // Late by the jump, early never.
                CHECK(h.time.at >= *m.due);
                m.due.reset();
            });
        };
        for (auto& m : all) create(m);
        const auto earliest = [&] {
            std::optional<time_point> first;
            for (auto& m : all)
                if (m.due && (!first || round_up(*m.due) < *first)) first = round_up(*m.due);
            return first;
        };
        for (int step = 0; step < 2000; ++step) {
            auto& m = all[random() % all.size()];
            switch (random() % 8) {
                case 0:
                case 1:
                case 2: {
                    // From microseconds to days, so that all levels are used.
                    const auto length = std::chrono::microseconds(
                        random() % (std::uint64_t{1} << (random() % 32)) * 64);
                    m.entry->arm_after(length);
                    m.due = h.time.at + length;
                    break;
                }
                case 3:
                    m.entry->disarm();
                    m.due.reset();
                    break;
                case 4:
                    m.entry.reset();
                    create(m);
                    break;
                case 5:
                    h.go(std::chrono::microseconds(random() %
                                                   (std::uint64_t{1} << (random() % 28))));
                    break;
                case 6:
                    if (const auto next = h.wheel.next_deadline()) {
                        // A deadline in the past is fired at the tick under way.
                        REQUIRE(earliest());
                        CHECK((*next == *earliest() || *earliest() <= h.time.at));
                        h.go_to(std::max(*next, h.time.at));
                    } else {
                        CHECK_FALSE(earliest());
                    }
                    break;
                default:
                    CHECK(m.entry->armed() == m.due.has_value());
            }
            // After the tick of the present nothing due may be left.
            if (const auto first = earliest(); first && *first + deadlines::tick < h.time.at) {
                h.go(0s);
                CHECK((!earliest() || *earliest() + deadlines::tick >= h.time.at));
            }
        }
        h.drain();
        CHECK_FALSE(earliest());
        CHECK(fired > 50);
        all.clear();
        CHECK(h.wheel.size() == 0);
        CHECK(h.info.live().deadlines == 0);
    }
}

TEST_CASE("a hundred thousand limits are cheap") {
    by_hand h;
    std::size_t fired = 0;
    std::vector<std::unique_ptr<limit>> all;
    std::mt19937 random(1);
    for (int i = 0; i < 100'000; ++i) all.push_back(std::make_unique<limit>(h, [&] { ++fired; }));
    const auto begun = std::chrono::steady_clock::now();
    for (auto& l : all) l->arm_after(10s + std::chrono::milliseconds(random() % 50'000));
    const auto armed = std::chrono::steady_clock::now();
    for (int round = 0; round < 10; ++round)
        for (auto& l : all) l->arm_after(60s);
    const auto rearmed = std::chrono::steady_clock::now();
    h.drain();
    const auto drained = std::chrono::steady_clock::now();
    CHECK(fired == 100'000);
    const auto ns = [](auto d, int n) { return std::chrono::nanoseconds(d).count() / n; };
    MESSAGE("arm " << ns(armed - begun, 100'000) << " ns, re-arm " << ns(rearmed - armed, 1'000'000)
                   << " ns, fire " << ns(drained - rearmed, 100'000) << " ns");
    CHECK(drained - begun < 20s);
}

TEST_CASE("in real time a limit fires by itself, never early, and the io_context then ends") {
    asio::io_context ioc;
    struct real_limit : deadlines::entry {
        explicit real_limit(asio::any_io_executor ex)
            : entry(std::move(ex), [](entry& e) noexcept {
                  static_cast<real_limit&>(e).fired = std::chrono::steady_clock::now();
              }) {}
        time_point fired{};
    };
    real_limit one(ioc.get_executor());
    real_limit two(ioc.get_executor());
    real_limit gone(ioc.get_executor());
    const auto begun = std::chrono::steady_clock::now();
    two.arm_at(begun + 9ms);
    one.arm_at(begun + 2ms);
    gone.arm_after(4ms);
    gone.disarm();
    ioc.run();
    CHECK(one.fired - begun >= 2ms);
    CHECK(two.fired - begun >= 9ms);
    CHECK(one.fired < two.fired);
    CHECK(gone.fired == time_point{});
    CHECK(context_info::of(ioc).deadlines().size() == 0);
    const auto coarse = context_info::of(ioc).deadlines().coarse_milliseconds();
    CHECK(std::chrono::milliseconds(coarse) >=
          std::chrono::floor<std::chrono::milliseconds>((begun + 9ms).time_since_epoch()));
}

TEST_CASE("destroying the last entry lets a foreign io_context end at once") {
    asio::io_context ioc;
    {
        deadlines::entry e(ioc.get_executor(), [](deadlines::entry&) noexcept {});
        e.arm_after(1h);
        CHECK(context_info::of(ioc).deadlines().size() == 1);
    }
    const auto begun = std::chrono::steady_clock::now();
    ioc.run();
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
}

TEST_CASE("other work has its turn among thousands of limits that are due at once, in order") {
    asio::io_context ioc{1};
    auto& info = context_info::of(ioc);
    info.set_serial(true);
    struct numbered : deadlines::entry {
        numbered(asio::io_context& c, std::vector<int>& o, int i)
            : entry(c.get_executor(),
                    [](deadlines::entry& e) noexcept {
                        auto& self = static_cast<numbered&>(e);
                        self.order.push_back(self.number);
                    }),
              order(o),
              number(i) {}
        std::vector<int>& order;
        int number;
    };
    constexpr int many = 5000;
    std::vector<int> order;
    order.reserve(many);
    std::deque<numbered> limits;
    const auto due = info.deadlines().refresh() + 2 * deadlines::tick;
    for (int i = 0; i < many; ++i) limits.emplace_back(ioc, order, i).arm_at(due);
    while (info.clock().now() < due + 2 * deadlines::tick) std::this_thread::yield();
    std::size_t turns = 0;
    std::size_t most = 0;
    while (order.size() < many) {
        const std::size_t before = order.size();
        bool had_turn = false;
        asio::post(ioc, [&] { had_turn = true; });
        while (!had_turn) ioc.run_one();
        most = std::max(most, order.size() - before);
        ++turns;
    }
    CHECK(most <= 64);
    CHECK(turns >= many / 64);
    CHECK(std::ranges::is_sorted(order));
    CHECK(info.deadlines().size() == 0);
}

TEST_CASE("a context that ends with entries armed and firings posted is no trouble") {
    for (const bool serial : {true, false}) {
        auto ioc = std::make_unique<asio::io_context>();
        context_info::of(*ioc).set_serial(serial);
        auto e = std::make_unique<deadlines::entry>(
            ioc->get_executor(), [](deadlines::entry&) noexcept { FAIL("ran"); });
        auto f = std::make_unique<deadlines::entry>(
            ioc->get_executor(), [](deadlines::entry&) noexcept { FAIL("ran"); });
        e->arm_after(1h);
        f->arm_after(0s);
        auto& wheel = context_info::of(*ioc).deadlines();
        CHECK(wheel.advance_to(wheel.refresh() + 10ms) == 1);
        // Entries die with coroutines of the context: a handler that was never run.
        asio::post(*ioc, [e = std::move(e), f = std::move(f)] {});
        ioc.reset();
    }
}
