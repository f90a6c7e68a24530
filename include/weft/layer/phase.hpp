// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/runtime/clock.hpp>

#include <fmt/core.h>

#include <source_location>
#include <string_view>

namespace weft {

/// Where a call spent its time: an entry of its request's extensions, left by whoever made it wait
/// (a limit, a retry, a client that connects). `log_slow` tells them, `history()` prints them.
///
///     phase_timer timing(req.extensions(), clock, "find a seat");
///     co_await seats.acquire();
///     timing.end();
struct phase {
    std::string_view name;  ///< a literal
    clock::duration took;
};

/// Measures one phase and leaves it in the extensions when it ends; one that throws is left too.
/// Costs two readings of the clock and an insert: for what waits, not for every call.
class phase_timer {
  public:
    /// `name` is a literal. `ext`, which may be null, and `time` outlive the timer.
    phase_timer(const extensions* ext, const clock& time, std::string_view name,
                std::source_location where = std::source_location::current()) noexcept
        : ext_(ext), time_(time), name_(name), where_(where) {
        if (ext_) began_ = time_.now();
    }
    phase_timer(const extensions& ext, const clock& time, std::string_view name,
                std::source_location where = std::source_location::current()) noexcept
        : phase_timer(&ext, time, name, where) {}
    phase_timer(const phase_timer&) = delete;
    phase_timer& operator=(const phase_timer&) = delete;
    ~phase_timer() { end(); }

    /// Ends it now.
    void end() noexcept;

  private:
    const extensions* ext_;
    const clock& time_;
    std::string_view name_;
    std::source_location where_;
    clock::time_point began_{};
};

}  // namespace weft

/// "connect=31ms"
template <>
struct fmt::formatter<weft::phase> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::phase& p, fmt::format_context& out) const;
};
