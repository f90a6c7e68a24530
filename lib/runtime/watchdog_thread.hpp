// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What the operating system tells of another thread of this process: its state, and its stack.

#include <weft/runtime/watchdog.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::detail {

/// The system's number of the calling thread; 0 where there is none.
std::int64_t this_thread_number() noexcept;

/// What a thread has used, and what it does; empty when the thread is gone or /proc does not tell.
struct thread_facts {
    char state = '?';                   ///< R, S, D, ... as in proc(5)
    std::chrono::nanoseconds ran{};     ///< on a processor
    std::chrono::nanoseconds queued{};  ///< ready, without one
    std::chrono::nanoseconds seen_at{};
    long system_call = -1;
};
std::optional<thread_facts> facts_of(std::int64_t thread);

/// What it did between two looks.
thread_activity activity_between(const std::optional<thread_facts>& before,
                                 const std::optional<thread_facts>& now) noexcept;
/// "nanosleep"; "system call 999" for one whose name is not known; "" for -1.
std::string name_of_system_call(long number);

/// Takes the stack of another thread: that thread does it itself, in a handler of `signal`. One at
/// a time. The signal's value carries where to write to, so there is no global state.
class stack_taker {
  public:
    /// Throws failure(invalid_input) when the signal is out of range or has a handler already.
    explicit stack_taker(int signal);
    stack_taker(const stack_taker&) = delete;
    stack_taker& operator=(const stack_taker&) = delete;
    ~stack_taker();

    /// Readable frames, innermost first; empty when the thread did not answer within a moment.
    std::vector<std::string> take(std::int64_t thread);

    struct capture;

  private:
    int signal_;
    struct sigaction old_{};
    std::unique_ptr<capture> capture_;
    std::vector<std::unique_ptr<capture>> unanswered_;
};

}  // namespace weft::detail
