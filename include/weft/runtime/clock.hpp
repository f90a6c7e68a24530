// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <chrono>

namespace weft {

/// Where all time comes from: one clock belongs to each execution context.
///
///     auto& clock = context_info::of(co_await asio::this_coro::executor).clock();
///     auto started = clock.now();
///     ...
///     auto took = clock.now() - started;
///
/// This class is the machine's time. `testing::run` installs a clock that jumps from deadline to
/// deadline, which is why nothing in weft asks std::chrono itself. Both functions may be called
/// from any thread.
class clock {
  public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;
    using wall_time_point = std::chrono::system_clock::time_point;

    clock() = default;
    clock(const clock&) = delete;
    clock& operator=(const clock&) = delete;
    virtual ~clock() = default;

    /// Monotonic time: what deadlines, limits and measurements use.
    [[nodiscard]] virtual time_point now() const noexcept;
    /// Calendar time: Date fields, certificates, log lines. It may jump.
    [[nodiscard]] virtual wall_time_point wall_now() const noexcept;
};

}  // namespace weft
