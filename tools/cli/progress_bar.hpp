// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace weft::cli {

/// What a terminal is shown while a large body is written to a file: a line on standard error, ten
/// times a second. What takes less than a tenth of a second shows nothing.
class progress_bar {
  public:
    progress_bar(bool shown, std::optional<std::uint64_t> total, const clock& time)
        : shown_(shown), total_(total), time_(time), start_(time.now()), last_(start_) {}
    ~progress_bar() {
        if (!drawn_) return;
        draw();  // with what it came to
        std::fputc('\n', stderr);
    }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    void at(std::uint64_t done) {
        done_ = done;
        if (!shown_) return;
        const auto now = time_.now();
        if (now - last_ < std::chrono::milliseconds(100)) return;
        last_ = now;
        drawn_ = true;
        draw();
    }

  private:
    void draw() const {
        constexpr double mebi = 1024.0 * 1024.0;
        const auto done = static_cast<double>(done_);
        const double rate =
            done / mebi / std::chrono::duration<double>(time_.now() - start_).count();
        if (total_ && *total_ > 0) {
            const double part = done / static_cast<double>(*total_);
            fmt::print(stderr, "\r[{:<30}] {:3.0f}% {:.1f} MiB {:.1f} MiB/s  ",
                       std::string(static_cast<std::size_t>(30 * part), '#'), 100 * part,
                       done / mebi, rate);
        } else {
            fmt::print(stderr, "\r{:.1f} MiB {:.1f} MiB/s  ", done / mebi, rate);
        }
        std::fflush(stderr);
    }

    bool shown_;
    std::optional<std::uint64_t> total_;
    const clock& time_;
    clock::time_point start_, last_;
    std::uint64_t done_ = 0;
    bool drawn_ = false;
};

}  // namespace weft::cli
