// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/io/operation.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/error.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::testing {

/// What is done at one point of a run.
enum class fault_action : unsigned char {
    fail,   ///< the operation fails: a stream's read or write, a connect
    delay,  ///< it takes longer, a sleep too; a try says that it would block
    cancel  ///< the work under test is cancelled while this wait begins
};
std::string_view to_string(fault_action a) noexcept;

struct fault_plan_options {
    /// Of each run.
    run_options run{};
    /// What an operation fails with.
    io::error_code error = boost::asio::error::connection_reset;
    /// One round of delays for each; one short enough to be survived, one longer than any limit.
    std::vector<clock::duration> delays{std::chrono::milliseconds(1), std::chrono::hours(1)};
    bool fail = true;
    bool cancel = true;
    /// A run with more points than this fails the plan: it would never come to an end.
    std::size_t max_points = 20'000;
};

/// What a plan found: how many points of which kind there were, and what came of them.
struct fault_report {
    struct row {
        std::string what;  ///< "stream read", "sleep_for", ...
        std::size_t failed = 0;
        std::size_t delayed = 0;
        std::size_t cancelled = 0;
    };
    std::vector<row> points;    ///< by name
    std::size_t runs = 0;       ///< in all
    std::size_t succeeded = 0;  ///< in spite of the fault
    std::size_t failures = 0;   ///< classified ones

    [[nodiscard]] std::size_t total() const noexcept;
    /// A line for each kind and one for the sum.
    [[nodiscard]] std::string text() const;
};

/// A run that came to what may not be. `what()` says at which point, and the command that runs
/// this one again.
class fault_plan_broken : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {
class fault_script;
}  // namespace detail

/// One run of a plan, in the hands of its body.
class fault_run {
  public:
    explicit fault_run(detail::fault_script& script) noexcept : script_(&script) {}

    /// Runs `work` with the fault of this run: gives true when it succeeded, false when it ended
    /// with a classified failure. A failure that is `internal`, or `cancelled` without a
    /// cancellation, is thrown: it breaks the plan. Once in a run.
    awaitable<bool> disturb(awaitable<void> work);

    /// What the work ended with, after disturb gave false.
    [[nodiscard]] const std::optional<failure>& failed() const noexcept;

  private:
    detail::fault_script* script_;
};

/// Replays a test body until nothing is left that could go wrong at one point: fails, delays or
/// cancels at the first weft wait, at the second, ... until a run passes untouched.
///
///     auto report = testing::fault_plan().replay([](testing::fault_run& r) -> awaitable<void> {
///         http::client client{testing::mock_connector(http::server(app))};
///         co_await r.disturb(fetch(client));     // success, or a classified failure
///         co_await sleep_for(2h);                // a delay may still hold something back
///         co_await fetch(client);                // and the next request works
///     });
///     fmt::print("{}", report.text());
///
/// Each run is a testing::run of its own, in virtual time, so all of its laws hold as well: nothing
/// hangs and nothing is left behind. The body is called anew for each; what it throws breaks the
/// plan. **Points** are the waits and operations of everything on the test's context while
/// `disturb` runs, of the peer's side too; the work that is cancelled is the one that was given to
/// `disturb`.
///
/// `WEFT_FAULT=fail:17` in the environment replays this one point; the message of a broken plan is
/// the command.
class fault_plan {
  public:
    explicit fault_plan(fault_plan_options options = {}) : options_(std::move(options)) {}

    /// Throws fault_plan_broken.
    template <class Body>
        requires std::is_same_v<std::invoke_result_t<Body&, fault_run&>, awaitable<void>>
    fault_report replay(Body body, std::source_location where = std::source_location::current()) {
        return replay_all(std::ref(body), where);
    }

  private:
    using body_function = std::function<awaitable<void>(fault_run&)>;
    fault_report replay_all(const body_function& body, std::source_location where) const;

    fault_plan_options options_;
};

}  // namespace weft::testing
