// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// The cases of the cancellation table, each cancelled at each point by other threads, again and
// again, on a thread pool and on an io_context that several threads run. What must hold is in
// `duel::~duel`. Run it under TSan:
//
//     races [count of each combination = 200] [name of a case]

#include "cancel_cases.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fmt/format.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace weft_test;

namespace {

enum class point { before, at_start, at_completion, twice, in_join, other_strand, lost_race };
constexpr std::array<const char*, 7> point_names{"before start", "at start",    "at completion",
                                                 "twice",        "in the join", "other strand",
                                                 "lost race"};

std::atomic<long> failures{0};

void fail(const cancel_case& c, point p, const std::string& what) {
    if (failures.fetch_add(1) < 20)
        fmt::print(stderr, "{} cancelled {}: {}\n", c.name,
                   point_names[static_cast<std::size_t>(p)], what);
}

/// Fights `count` duels of one kind, some of them at a time.
class arena {
  public:
    arena(asio::any_io_executor executor, const cancel_case& c, point p, long count, long at_once)
        : executor(std::move(executor)),
          kind(c),
          where(p),
          left_(count),
          alive_(0),
          at_once_(at_once) {}

    void fight();
    void one_is_over();

    asio::any_io_executor executor;
    const cancel_case& kind;
    const point where;

  private:
    std::mutex monitor_;
    std::condition_variable changed_;
    long left_;
    long alive_;
    long at_once_;
    std::atomic<std::uint64_t> seeds_{0x9e3779b97f4a7c15};

    friend struct duel;
};

/// One awaiting coroutine, and those who interfere. It ends with the last who holds it.
struct duel : std::enable_shared_from_this<duel> {
    explicit duel(arena& a, std::uint64_t seed)
        : in(a),
          own(asio::make_strand(a.executor)),
          other(asio::make_strand(a.executor)),
          random(seed | 1) {}

    ~duel() {
        const cancel_case& c = in.kind;
        const bool in_join = in.where == point::in_join;
        if (!over) fail(c, in.where, "the coroutine has not ended");
        if (in.where == point::before && outcome != c.before)
            fail(c, in.where, "before: " + outcome);
        const bool allowed = in_join ? outcome == c.during_join || outcome == c.twice
                                     : outcome == "value" || outcome == c.twice;
        if (!allowed) fail(c, in.where, "ended with " + outcome);
        if (outcome == "aborted" && !cancelled && in.where != point::lost_race)
            fail(c, in.where, "aborted, but the caller is not cancelled");
        if (!w.joined || w.begun != w.ended)
            fail(c, in.where, "a child outlived its parent's wait");
        if (in_join) c.complete(w);
        if (!c.intact(w, !in_join && outcome == "value"))
            fail(c, in.where, "something was lost after " + outcome);
        in.one_is_over();
    }

    std::uint64_t next() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return random;
    }
    static void spin(std::uint64_t turns) {
        for (volatile std::uint64_t i = 0; i < turns;) i = i + 1;
    }

    /// Does `act` on another thread after a while.
    template <class Act>
    void later(std::uint64_t most, Act act) {
        asio::post(in.executor, [self = shared_from_this(), wait = next() % most, act]() mutable {
            spin(wait);
            act(*self);
        });
    }
    void cancel() {
        asio::dispatch(own, [self = shared_from_this()] {
            if (self->running) self->signal.emit(asio::cancellation_type::terminal);
        });
    }

    void start() {
        // The handler holds us, and with us the signal, until Asio has made its last step.
        asio::co_spawn(own, await_it(*this),
                       asio::bind_cancellation_slot(
                           signal.slot(), [self = shared_from_this()](std::exception_ptr e) {
                               if (e) std::terminate();
                           }));
    }

    void interfere() {
        constexpr std::uint64_t soon = 100, some_time = 1500;
        const auto completes = [](duel& d) { d.in.kind.complete(d.w); };
        const auto cancels = [](duel& d) { d.cancel(); };
        switch (in.where) {
            case point::before:
                signal.emit(asio::cancellation_type::terminal);
                later(some_time, completes);
                break;
            case point::at_start:
                later(soon, cancels);
                later(some_time, completes);
                break;
            case point::at_completion:
                later(some_time, completes);
                later(some_time, cancels);
                break;
            case point::twice:
                later(some_time, cancels);
                later(some_time, completes);
                later(some_time, cancels);
                break;
            case point::in_join:
                w.cleanup.reset();
                later(soon, [](duel& d) { d.w.gate.set(); });
                later(some_time, cancels);
                later(some_time, cancels);
                later(some_time, [](duel& d) { d.w.cleanup.set(); });
                break;
            case point::other_strand:
                asio::post(other, [self = shared_from_this(), wait = next() % some_time] {
                    spin(wait);
                    self->cancel();
                });
                later(some_time, completes);
                break;
            case point::lost_race:
                later(some_time, completes);
                later(some_time, [](duel& d) { d.stop.set(); });
                break;
        }
    }

    awaitable<void> tracked() {
        std::exception_ptr e;
        try {
            co_await in.kind.run(w);
        } catch (...) {
            e = std::current_exception();
        }
        w.check_joined();
        outcome = outcome_of(std::move(e));
    }

    static awaitable<void> await_it(duel& d) {
        d.running = true;
        std::exception_ptr e;
        try {
            if (d.in.where == point::lost_race) {
                // Cancelled by weft itself, from the strand of the winner.
                d.interfere();
                auto r = co_await weft::when_any(d.tracked(), d.stop.wait());
                if (d.outcome.empty()) d.outcome = r.index == 1 ? "aborted" : "wrong winner";
                d.over = true;
                co_return;
            }
            if (d.in.where == point::in_join) {
                d.interfere();
                co_await d.in.kind.run_joining(d.w);
            } else {
                d.w.at_entry = [&d] { d.interfere(); };
                co_await d.in.kind.run(d.w);
            }
        } catch (...) {
            e = std::current_exception();
        }
        d.w.check_joined();
        const auto state = co_await asio::this_coro::cancellation_state;
        d.cancelled = state.cancelled() != asio::cancellation_type::none;
        co_await asio::this_coro::throw_if_cancelled(false);
        d.running = false;
        d.over = true;
        d.outcome = outcome_of(std::move(e));
    }

    arena& in;
    asio::strand<asio::any_io_executor> own;
    asio::strand<asio::any_io_executor> other;
    world w;
    weft::event stop;
    asio::cancellation_signal signal;
    std::uint64_t random;
    bool running = false;
    bool over = false;
    bool cancelled = false;
    std::string outcome;
};

void arena::one_is_over() {
    const std::lock_guard lock(monitor_);
    --alive_;
    changed_.notify_one();
}

void arena::fight() {
    std::unique_lock lock(monitor_);
    while (left_ > 0) {
        changed_.wait(lock, [&] { return alive_ < at_once_; });
        while (left_ > 0 && alive_ < at_once_) {
            --left_;
            ++alive_;
            lock.unlock();
            auto d = std::make_shared<duel>(*this, seeds_.fetch_add(0x2545f4914f6cdd1d));
            d->w.limit = std::chrono::milliseconds(1);
            d->start();
            d.reset();
            lock.lock();
        }
    }
    changed_.wait(lock, [&] { return alive_ == 0; });
}

template <class Context>
void fight_all(Context& context, const char* name, long count, std::string_view only) {
    const auto from = std::chrono::steady_clock::now();
    for (const auto& c : cancel_cases) {
        if (!only.empty() && only != c.name) continue;
        for (std::size_t p = 0; p < point_names.size(); ++p) {
            const auto where = static_cast<point>(p);
            arena a(context.get_executor(), c, where, count, where == point::in_join ? 512 : 32);
            a.fight();
        }
        fmt::print("{}: {} x {} points x {}, {:.1f} s so far\n", name, c.name, point_names.size(),
                   count,
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count());
        std::fflush(stdout);
    }
}

template <class Context>
void expect_nothing_left(Context& context, const char* name) {
    auto& live = weft::context_info::of(context).live();
    if (live.tasks != 0 || live.waiters != 0) {
        fmt::print(stderr, "{}: {} tasks and {} waiters are left\n", name, live.tasks.load(),
                   live.waiters.load());
        ++failures;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long count = argc > 1 ? std::atol(argv[1]) : 200;
    const std::string_view only = argc > 2 ? argv[2] : "";
    {
        asio::thread_pool pool(4);
        fight_all(pool, "thread_pool(4)", count, only);
        pool.join();
        expect_nothing_left(pool, "thread_pool(4)");
    }
    {
        asio::io_context io;
        auto work = asio::make_work_guard(io);
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) threads.emplace_back([&] { io.run(); });
        fight_all(io, "io_context, 4 threads", count, only);
        work.reset();
        for (auto& t : threads) t.join();
        expect_nothing_left(io, "io_context");
    }
    if (failures != 0) {
        fmt::print(stderr, "{} failures\n", failures.load());
        return 1;
    }
    return 0;
}
