// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What is cancelled in the table and in the races: one case a primitive, each with a way to come to
// its end, and with what must hold afterwards whoever was first.

#include "machine.hpp"
#include <weft/runtime/channel.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/mutex.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/semaphore.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace weft_test {

/// Neither copyable nor default constructible: what a result may be.
struct token {
    explicit token(int v) : value(std::make_unique<int>(v)) {}
    std::unique_ptr<int> value;
};

struct world {
    weft::event gate;           ///< lets the work come to its end
    weft::event never;          ///< lets nothing
    weft::event cleanup{true};  ///< lets cancelled work end
    weft::semaphore semaphore{0};
    weft::channel<token> inbox{1};
    weft::channel<token> outbox{1};
    weft::mutex mutex;
    std::optional<weft::mutex::guard> held = mutex.try_lock();

    std::chrono::milliseconds limit{10};  ///< what strikes in the column "during the join"

    std::atomic<int> begun{0};  ///< child coroutines
    std::atomic<int> ended{0};
    std::atomic<int> received{0};    ///< values that the case took
    std::atomic<int> sent{0};        ///< values that the case sent
    std::atomic<int> offered{0};     ///< values that others sent
    std::atomic<int> drained{0};     ///< values that others took
    std::atomic<bool> joined{true};  ///< no child was alive when the caller went on

    /// Called by each case in the coroutine that awaits the primitive, just before it does.
    std::function<void()> at_entry = [] {};

    world() { (void)outbox.try_send(token(0)); }

    void check_joined() {
        if (begun.load() != ended.load()) joined = false;
    }
};

/// Child work: waits for `until`; when it is cancelled it takes its time.
inline awaitable<token> work(world& w, weft::event& until) {
    struct counted {
        world& w;
        explicit counted(world& x) : w(x) { ++w.begun; }
        ~counted() { ++w.ended; }
    };
    const counted c(w);
    std::exception_ptr e;
    try {
        co_await until.wait();
    } catch (...) {
        e = std::current_exception();
    }
    if (e) {
        weft::result<void> cleaned;
        co_await weft::shielded(1h, w.cleanup.wait(), cleaned);
        cleaned.value();
        std::rethrow_exception(e);
    }
    co_return token(1);
}

inline awaitable<void> work_only(world& w, weft::event& until) { (void)co_await work(w, until); }

inline awaitable<void> work_then_fail(world& w, weft::event& until) {
    (void)co_await work(w, until);
    throw weft::failure(weft::failure_kind::rejected, "as planned");
}

struct cancel_case {
    const char* name;
    /// What is awaited, and later cancelled.
    awaitable<void> (*run)(world&);
    /// Lets it come to its end; from any thread.
    void (*complete)(world&);
    /// Awaited instead for the column "during the join": it is in its join after `begin_join`.
    awaitable<void> (*run_joining)(world&);
    /// Afterwards: nothing was lost, nothing came twice. `got_value` says how `run` ended.
    bool (*intact)(world&, bool got_value);
    // What the table expects.
    const char* before;
    const char* at_start;
    const char* at_completion;
    const char* twice;
    const char* during_join;
    const char* other_strand;
};

namespace cases {

inline void open_gate(world& w) { w.gate.set(); }
inline bool nothing_to_lose(world&, bool) { return true; }

inline awaitable<void> scope(world& w) {
    auto body = [&w](weft::task_scope& s) -> awaitable<token> {
        s.spawn(work_only(w, w.never));
        s.spawn([&w] { return work_only(w, w.gate); });
        token t = co_await work(w, w.gate);
        co_return t;
    };
    w.at_entry();
    token t = co_await weft::with_scope(body);
    if (*t.value != 1) throw std::logic_error("wrong value");
}
inline awaitable<void> scope_joining(world& w) {
    auto body = [&w](weft::task_scope& s) -> awaitable<void> {
        s.spawn(work_only(w, w.never));
        co_await w.gate.wait();
    };
    co_await weft::with_scope(body);
}

inline awaitable<void> deadline(world& w) {
    w.at_entry();
    token t = co_await weft::with_deadline(1h, work(w, w.gate));
    if (*t.value != 1) throw std::logic_error("wrong value");
}
inline awaitable<void> deadline_joining(world& w) {
    (void)co_await weft::with_deadline(w.limit, work(w, w.never));
}

inline awaitable<void> any(world& w) {
    w.at_entry();
    auto r = co_await weft::when_any(work_only(w, w.never), work(w, w.gate));
    if (r.index != 1 || *(*std::get<1>(r.values)).value != 1)
        throw std::logic_error("wrong winner");
    if (std::get<0>(r.values)) throw std::logic_error("the loser won too");
}

inline awaitable<void> any_of_vector(world& w) {
    std::vector<awaitable<token>> all;
    for (int i = 0; i < 3; ++i) all.push_back(work(w, i == 1 ? w.gate : w.never));
    w.at_entry();
    auto r = co_await weft::when_any(std::move(all));
    if (r.index != 1 || !r.values[1] || r.values[0]) throw std::logic_error("wrong winner");
}

inline awaitable<void> all(world& w) {
    w.at_entry();
    auto [a, b] = co_await weft::when_all(work(w, w.gate), work_only(w, w.gate));
    if (*a.value != 1) throw std::logic_error("wrong value");
    (void)b;
}
inline awaitable<void> all_joining(world& w) {
    co_await weft::when_all(work_then_fail(w, w.gate), work_only(w, w.never));
}

inline awaitable<void> shield(world& w) {
    std::optional<weft::result<token>> t;
    w.at_entry();
    co_await weft::shielded(1h, work(w, w.gate), t);
    if (!t || !*t || *t->value().value != 1) throw std::logic_error("no value");
}
inline awaitable<void> shield_joining(world& w) {
    weft::result<void> outcome;
    co_await weft::shielded(w.limit, work_only(w, w.never), outcome);
    outcome.value();
}

/// A primitive's wait as the child of a scope that is left: the join is the scope's.
template <awaitable<void> (*Wait)(world&)>
awaitable<void> left_behind(world& w) {
    auto body = [&w](weft::task_scope& s) -> awaitable<void> {
        s.spawn(Wait(w));
        s.spawn(work_only(w, w.never));
        co_await w.gate.wait();
    };
    co_await weft::with_scope(body);
}

inline awaitable<void> semaphore(world& w) {
    w.at_entry();
    const auto p = co_await w.semaphore.acquire();
    if (p.count() != 1) throw std::logic_error("no permit");
}
inline void release(world& w) { w.semaphore.release(); }
inline bool one_permit(world& w, bool) {
    // The one that `release` gave is back, or was never taken.
    return w.semaphore.available() == 1 && w.semaphore.waiting() == 0;
}

inline awaitable<void> event(world& w) {
    w.at_entry();
    co_await w.gate.wait();
}
inline bool nobody_waits(world& w, bool) { return w.gate.waiting() == 0; }

inline awaitable<void> receive(world& w) {
    w.at_entry();
    const auto t = co_await w.inbox.receive();
    if (!t || *t->value != 7) throw std::logic_error("no value");
    ++w.received;
}
inline void offer(world& w) {
    if (!w.inbox.try_send(token(7))) std::terminate();
    ++w.offered;
}
inline bool received_once(world& w, bool got_value) {
    return w.received == (got_value ? 1 : 0) &&
           w.received + static_cast<int>(w.inbox.size()) == w.offered;
}

inline awaitable<void> send(world& w) {
    w.at_entry();
    if (!co_await w.outbox.send(token(8))) throw std::logic_error("closed");
    ++w.sent;
}
inline void drain(world& w) {
    if (!w.outbox.try_receive()) std::terminate();
    ++w.drained;
}
inline bool sent_once(world& w, bool got_value) {
    return w.sent == (got_value ? 1 : 0) &&
           1 + w.sent - w.drained == static_cast<int>(w.outbox.size());
}

inline awaitable<void> mutex(world& w) {
    w.at_entry();
    const auto g = co_await w.mutex.lock();
    if (!g) throw std::logic_error("not locked");
}
inline void unlock(world& w) { w.held.reset(); }
inline bool unlocked(world& w, bool) { return !w.mutex.locked() && w.mutex.waiting() == 0; }

}  // namespace cases

// clang-format off
inline const std::array<cancel_case, 11> cancel_cases{{
    // name             run                   complete          run_joining
    //     intact                 before     at start   at compl.  twice      in join     strand
    {"with_scope",      cases::scope,         cases::open_gate, cases::scope_joining,                    cases::nothing_to_lose, "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"with_deadline",   cases::deadline,      cases::open_gate, cases::deadline_joining,                 cases::nothing_to_lose, "aborted", "aborted", "value",   "aborted", "aborted",  "aborted"},
    {"when_any",        cases::any,           cases::open_gate, cases::any,                              cases::nothing_to_lose, "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"when_any vector", cases::any_of_vector, cases::open_gate, cases::any_of_vector,                    cases::nothing_to_lose, "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"when_all",        cases::all,           cases::open_gate, cases::all_joining,                      cases::nothing_to_lose, "aborted", "aborted", "value",   "aborted", "rejected", "aborted"},
    {"shielded",        cases::shield,        cases::open_gate, cases::shield_joining,                   cases::nothing_to_lose, "value",   "value",   "value",   "value",   "timeout",  "value"},
    {"semaphore",       cases::semaphore,     cases::release,   cases::left_behind<cases::semaphore>,    cases::one_permit,      "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"event",           cases::event,         cases::open_gate, cases::left_behind<cases::event>,        cases::nobody_waits,    "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"channel receive", cases::receive,       cases::offer,     cases::left_behind<cases::receive>,      cases::received_once,   "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"channel send",    cases::send,          cases::drain,     cases::left_behind<cases::send>,         cases::sent_once,       "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
    {"mutex",           cases::mutex,         cases::unlock,    cases::left_behind<cases::mutex>,        cases::unlocked,        "aborted", "aborted", "value",   "aborted", "value",    "aborted"},
}};
// clang-format on

}  // namespace weft_test
