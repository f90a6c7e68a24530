// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Limits on a thread pool, where the wheel has a lock.

#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace weft;

namespace {

/// One connection on a thread pool: its limit, and a strand on which all is done to it.
struct pooled : std::enable_shared_from_this<pooled> {
    explicit pooled(asio::thread_pool& pool) : strand(asio::make_strand(pool)) {
        slot.emplace(context_info::of(pool).deadlines(), strand, *this);
    }
    struct fire : deadlines::entry {
        fire(deadlines& wheel, asio::any_io_executor ex, pooled& p)
            : entry(wheel, std::move(ex),
                    [](entry& e) noexcept { static_cast<fire&>(e).owner.on_fire(); }),
              owner(p) {}
        pooled& owner;
    };
    void on_fire() {
        if (!expected) ++unexpected;
        expected = false;
        ++fired;
        if (std::chrono::steady_clock::now() < due) ++early;
    }
    void arm(std::chrono::microseconds d) {
        expected = true;
        due = std::chrono::steady_clock::now() + d;
        slot->arm_after(d);
    }
    void disarm() {
        expected = false;
        slot->disarm();
    }

    asio::strand<asio::thread_pool::executor_type> strand;
    std::optional<fire> slot;
    bool expected = false;
    deadlines::time_point due{};
    int fired = 0;
    int early = 0;
    int unexpected = 0;
    std::uint32_t random = 0;
};

void live(std::shared_ptr<pooled> p, int steps) {
    if (steps == 0) {
        p->disarm();
        if (p->random % 2)
            p->slot.reset();  // destroyed on its executor, perhaps just when it fires
        return;
    }
    p->random = p->random * 1664525u + 1013904223u;
    // Rare enough that a tick often passes in between, so that these meet the wheel at work.
    switch ((p->random >> 16) % 128) {
        case 0:
        case 1:
            p->arm(std::chrono::microseconds((p->random >> 8) % 3000));
            break;
        case 2:
            p->arm(std::chrono::microseconds((p->random >> 8) % 60'000));
            break;
        case 3:
            p->disarm();
            break;
        case 4:
            p->expected = false;
            p->slot.emplace(context_info::of(p->strand).deadlines(), p->strand, *p);
            break;
        default:
            break;
    }
    auto& strand = p->strand;
    asio::post(strand, [p = std::move(p), steps]() mutable { live(std::move(p), steps - 1); });
}

}  // namespace

TEST_CASE("on a thread pool arming, firing, disarming and destroying race without harm") {
    asio::thread_pool pool(4);
    std::vector<std::shared_ptr<pooled>> all;
    for (std::uint32_t i = 0; i < 64; ++i) {
        auto& p = *all.emplace_back(std::make_shared<pooled>(pool));
        p.random = i * 2654435761u + 1;
        asio::post(p.strand, [one = all.back()] { live(one, 4000); });
    }
    pool.join();
    int fired = 0;
    for (auto& p : all) {
        CHECK(p->early == 0);
        CHECK(p->unexpected == 0);
        fired += p->fired;
    }
    MESSAGE(fired << " firings in 256000 steps on four threads");
    CHECK(fired > 0);
    all.clear();
    CHECK(context_info::of(pool).live().deadlines == 0);
}

TEST_CASE("on a thread pool every limit that is left alone fires exactly once") {
    asio::thread_pool pool(4);
    std::vector<std::shared_ptr<pooled>> all;
    for (int i = 0; i < 2000; ++i) {
        auto& p = *all.emplace_back(std::make_shared<pooled>(pool));
        asio::post(p.strand, [&p, i] {
            p.arm(std::chrono::microseconds(i * 13 % 9000));
            // Once more from a later turn: to a later time, which stores only, against the wheel's
            // own thread.
            asio::post(p.strand, [&p, i] {
                if (p.expected) p.arm(std::chrono::microseconds(i * 29 % 20'000));
            });
        });
    }
    pool.join();
    for (auto& p : all) {
        CHECK(p->fired == 1);
        CHECK(p->early == 0);
        CHECK_FALSE(p->expected);
    }
}
