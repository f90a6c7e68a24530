// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/context.hpp>

#include <cstdint>
#include <string>

namespace weft::testing {

/// How many of each thing live on a context: what must be zero when a test ends.
///
///     auto before = counters::of(context_info::of(ex));
///     ...
///     CHECK(counters::of(context_info::of(ex)).streams == before.streams);
struct counters {
    std::int64_t tasks = 0;        ///< children of task_scopes
    std::int64_t streams = 0;      ///< io::streams
    std::int64_t deadlines = 0;    ///< entries in the deadline wheel, and sleeps
    std::int64_t waiters = 0;      ///< waits on primitives
    std::int64_t descriptors = 0;  ///< sockets and files

    static counters of(context_info& info) noexcept;

    [[nodiscard]] bool zero() const noexcept { return *this == counters{}; }
    /// What is not zero: "2 streams, 1 descriptor".
    [[nodiscard]] std::string describe() const;

    friend bool operator==(const counters&, const counters&) noexcept = default;
};

}  // namespace weft::testing
