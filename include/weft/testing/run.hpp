// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::testing {

struct run_options {
    /// What the context's entropy starts from: the same seed gives the same run.
    std::uint64_t seed = 1;
    /// Runs ready handlers in an order drawn from the seed instead of first come, first served.
    bool shuffle = false;
    /// Of real time: a test that is not over by then fails. A debugger wants more.
    std::chrono::milliseconds limit{30'000};
};

/// A test that can never go on, or did not end within its limit. `what()` names each wait and its
/// line.
class deadlock : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A test that ended and left something alive. `what()` says how many of what, and who waits.
class leak : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {
using start_function = awaitable<void> (*)(void*);
void run_virtual(start_function start, void* argument, const run_options& options,
                 std::source_location where);
void run_real(start_function start, void* argument, const run_options& options,
              std::source_location where);

template <class F, class Runner>
auto run_callable(F& f, Runner runner) {
    using result = awaitable_value_t<std::invoke_result_t<F&>>;
    if constexpr (std::is_void_v<result>) {
        runner([](void* callable) -> awaitable<void> { return (*static_cast<F*>(callable))(); },
               &f);
    } else {
        struct state {
            F& callable;
            std::optional<result> value;
        } s{f, std::nullopt};
        runner(
            [](void* p) -> awaitable<void> {
                auto& at = *static_cast<state*>(p);
                result value = co_await at.callable();
                at.value.emplace(std::move(value));
            },
            &s);
        return std::move(*s.value);
    }
}
}  // namespace detail

/// Runs a coroutine in virtual time, without sockets: an hour passes in a microsecond, and always
/// the same way.
///
///     TEST_CASE("a slow answer is given up after five seconds") {
///         testing::run([]() -> awaitable<void> {
///             auto r = co_await attempt(with_deadline(5s, sleep_for(30s)));
///             CHECK(r.error().kind() == failure_kind::timeout);
///         });
///     }
///
/// One thread, one io_context, whose executor hands ready work over in order, or shuffled. When
/// nothing is ready and no outside work is under way (external_work: a real socket, a resolver
/// thread, a signal) time jumps to the next deadline: at its start the monotonic clock is a whole
/// number of seconds and the calendar 2024-01-01 00:00:00 UTC.
///
/// The coroutine runs in a task_scope, which is `context_info::of(ex).test_root()`: what a mock
/// spawns into it (the other side of a connection) is cancelled and joined when the coroutine ends.
///
/// What the coroutine throws comes out, a failed REQUIRE too; it ends the test's other coroutines
/// first. When nothing can ever happen again it throws `deadlock`, when something of weft's
/// outlives the test `leak`. Timers and sockets that weft does not know (asio::steady_timer) do not
/// work here: the report says so; they need `run_real`.
template <class F>
    requires is_awaitable<std::invoke_result_t<F&>>
auto run(F f, run_options options = {},
         std::source_location where = std::source_location::current()) {
    return detail::run_callable(f, [&](detail::start_function start, void* argument) {
        detail::run_virtual(start, argument, options, where);
    });
}

/// The same with the machine's time and real sockets: for what must meet the operating system.
/// Ports: use 0.
template <class F>
    requires is_awaitable<std::invoke_result_t<F&>>
auto run_real(F f, run_options options = {},
              std::source_location where = std::source_location::current()) {
    return detail::run_callable(f, [&](detail::start_function start, void* argument) {
        detail::run_real(start, argument, options, where);
    });
}

}  // namespace weft::testing
