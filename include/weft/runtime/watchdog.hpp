// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/observe.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/histogram.hpp>
#include <weft/runtime/runtime.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What a loop's thread was doing when the watchdog looked.
enum class thread_activity : unsigned char {
    unknown,   ///< the thread is not known yet, is gone, or the system does not tell
    computes,  ///< ran on a processor
    starved,   ///< was ready to run, and others had the processors
    waits      ///< stood in a system call, or waited for memory or a disk
};
std::string_view to_string(thread_activity) noexcept;

/// A loop that stood still. Text is valid for the time of the call.
struct stall {
    std::string_view loop;  ///< the name it is watched under
    /// False: it still stands, and this is told while it lasts; true: it went on.
    bool over = false;
    /// For how long what was ready has waited: so far, or in all.
    clock::duration lasted{};

    /// What weft set going last before the loop stood still: a wait of weft's that a coroutine came
    /// back from ("sleep_for", "stream read", "semaphore", ...), a "task" that began, an HTTP
    /// "call". Empty: nothing of weft's since the loop last turned, so it was a handler of
    /// somebody else's, or a coroutine that came back from one.
    std::string_view resumed = {};
    /// Where that wait or spawn is written; line 0 for a call, and when nothing is known.
    std::source_location where = {};
    /// Of a "call": "GET /cart", without the query.
    std::string_view call = {};
    /// How long before the loop was looked at it was resumed: about `lasted`, when it is the
    /// culprit.
    clock::duration resumed_ago{};

    std::int64_t thread = 0;  ///< the system's number of the loop's thread, 0: not known
    thread_activity activity = thread_activity::unknown;
    std::string_view system_call = {};  ///< "futex", "nanosleep", ... while it waits
    /// The loop's stack, innermost first, while it stands: with `stack_signal` only.
    std::span<const std::string> stack = {};
};

/// One line: what happened to which loop, who did it, what its thread was doing.
std::string to_string(const stall& s);

struct watchdog_options {
    /// A loop that lets what is ready wait for so long is stalled; that is told while it lasts,
    /// again each time it has become ten times as long, and when it is over.
    std::chrono::milliseconds threshold{100};
    /// How often each loop is asked; at most half of `threshold` is used. It wakes an idle loop.
    std::chrono::milliseconds interval{20};
    /// How often a record says how late each loop was since the last; zero: never.
    std::chrono::milliseconds summary{60'000};
    /// Who is told: records "event loop stalled" and "event loop went on" (warn), "event loop
    /// lateness" (info), the counters weft.event_loop.stalls and weft.event_loop.stalled_time.
    weft::observer observer = {};
    /// Called for each stall, as the observer is: on the watchdog's thread, so it may write a core
    /// dump or end the program. Must not throw.
    std::function<void(const stall&)> on_stall = {};
    /// A signal that nobody else in the program uses, SIGRTMIN + 1 say: with it the stack of a
    /// stalled loop is taken, while it stands, by the loop's own thread. Zero: no stacks. The
    /// signal interrupts what the thread waits in, as any does: a sleep() ends early.
    int stack_signal = 0;

    enum class pace : unsigned char {
        thread,  ///< a thread of the watchdog's looks, every `interval`
        by_hand  ///< you call look(): from a thread that you have anyway, or in a test
    };
    pace looks = pace::thread;
};

/// Watches event loops: how late they run what is ready, and who held them up.
///
///     weft::watchdog dog({.observer = logfmt_observer()});
///     dog.watch(co_await asio::this_coro::executor, "main");
///     ...
///     // level=warn msg="event loop stalled" loop=main stalled=104ms resumed=sleep_for
///     //     activity=waits system_call=clock_nanosleep at=shop.cpp:31
///
/// **How.** Every `interval` a thread of the watchdog's posts to each loop and notes when it was
/// run. Nothing is added to what the loop does: not being watched costs nothing, and being watched
/// one posted handler per interval, and a few stores when a coroutine comes back from a wait of
/// weft's or an HTTP request is begun. A loop that does not answer is reported while it stands,
/// from that thread.
///
/// **Who did it.** `stall::resumed` is the last thing that weft set going; a handler of another
/// library is not seen by it, and the stack is (`stack_signal`): its first lines are the function
/// that blocks and the coroutine it was called from. What the thread was doing comes from the
/// system. Nothing is guessed: what is not known is empty.
///
/// **Lifetime.** Watching ends with the loop's context or with the watchdog, whichever goes first,
/// in any order. Destroying it joins its thread, which waits for a report under way; `on_stall`
/// must not destroy it. A loop that nobody runs (before run(), after it has returned) is not
/// stalled. In virtual time no loop is late: only `by_hand` watches there.
///
/// Threads: all functions from any thread.
class watchdog {
  public:
    using options = watchdog_options;
    using pace = watchdog_options::pace;

    /// Throws failure(invalid_input) when the signal is in use, or std::system_error when there is
    /// no thread to be had.
    explicit watchdog(options o = {});
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;
    ~watchdog();

    /// Watches the loop behind an executor: an io_context's, whoever runs it. With several threads
    /// (a thread_pool) it is late only when all of them are busy. On a strand, what is measured is
    /// the strand. `where` is told when nothing better is known.
    void watch(boost::asio::any_io_executor loop, std::string name = "loop",
               std::source_location where = std::source_location::current());
    /// Watches all cores of a runtime, as "core 0", "core 1", ...
    void watch(weft::runtime& cores, std::source_location where = std::source_location::current());

    /// What is known of one loop by now. One whose context is gone is forgotten when another is
    /// watched.
    struct loop_state {
        std::string name;
        bool alive = true;           ///< its context is still there
        histogram lateness;          ///< from ready to run; see histogram::record_stall
        std::uint64_t stalls = 0;    ///< those that are over
        clock::duration stalled{};   ///< how long they were in all
        clock::duration standing{};  ///< how long it is standing now; zero: it is not
    };
    [[nodiscard]] std::vector<loop_state> loops() const;

    /// Looks at each loop once, and reports: what the thread does. For `pace::by_hand`.
    void look();

  private:
    class impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weft
