// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/entropy.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

struct runtime_options {
    /// How many cores, each with a thread and an io_context of its own; 0: one for each processor
    /// this process may use.
    unsigned threads = 0;
    /// Once the main coroutine has ended: how long last words (a lingering close, a hop to another
    /// core) may still take.
    std::chrono::milliseconds linger{5'000};
    /// The first of these begins the drain, the second stops at once. Empty: signals are left
    /// alone.
    std::vector<int> signals{SIGINT, SIGTERM};
};

/// Several cores: what weft::run is for one.
///
///     int main() {
///         weft::runtime cores{{.threads = 8}};
///         return cores.run(http::serve("0.0.0.0:8080", per_core(make_app)));
///     }
///
/// The main coroutine runs on core 0, on the calling thread. What it starts on another core runs
/// there and stays there: each io_context is run by one thread, so nothing on it needs a strand,
/// and Asio's locks around sockets are off (BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO: posting to a
/// core from any thread is safe, touching its sockets is not). From a coroutine,
/// `context_info::of(ex).owner()` is this object and `.core()` the number of the core.
///
/// One run() at a time. Whatever lives on a core (a client, a connection) must end before the
/// runtime does.
class runtime {
  public:
    using options = runtime_options;
    using clock = weft::clock;
    using entropy = weft::entropy;

    /// Throws std::bad_alloc or a system_error when a core cannot be made (descriptors).
    explicit runtime(options o = {});
    runtime(const runtime&) = delete;
    runtime& operator=(const runtime&) = delete;
    ~runtime();

    /// Runs `main` to its end and gives the exit status of the program: its own value, 0 for void,
    /// 1 and one line on stderr when it fails. The first signal cancels it (terminal): it drains as
    /// it sees fit, and that it was cancelled is no failure, status 0. The second stops all cores
    /// at once: what still runs is destroyed where it stands, status 1. So is what outlives
    /// `linger`. An exception that escapes a handler is a failure of the program: main is
    /// cancelled, status 1. Never throws what main threw.
    int run(awaitable<void> main);
    int run(awaitable<int> main);

    /// Calls `main` on core 0 and keeps it until its coroutine is gone: a lambda may capture.
    template <class F>
        requires is_awaitable<std::invoke_result_t<F&>>
    int run(F main) {
        return run(call(main));
    }

    /// The executors of all cores, by number. Valid until the runtime ends, or a run() that was
    /// stopped by force.
    [[nodiscard]] std::span<const boost::asio::any_io_executor> cores() const noexcept {
        return executors_;
    }

  private:
    struct core;
    struct run_state;

    template <class F>
    static awaitable<int> call(F& main) {
        if constexpr (std::is_void_v<awaitable_value_t<std::invoke_result_t<F&>>>) {
            awaitable<void> body = main();
            co_await std::move(body);
            co_return 0;
        } else {
            awaitable<int> body = main();
            co_return co_await std::move(body);
        }
    }
    void make_cores();
    void drop_cores() noexcept;
    void run_core(core& c, run_state& state);
    bool settle_cores(std::chrono::steady_clock::time_point end, run_state& state);

    options options_;
    std::vector<std::unique_ptr<core>> cores_;
    std::vector<boost::asio::any_io_executor> executors_;
};

}  // namespace weft
