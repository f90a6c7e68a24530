// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>
#include <weft/runtime/entropy.hpp>

#include <chrono>

namespace weft {

/// How long to wait before the n-th retry: exponential, with full jitter.
///
///     backoff wait{.first = 50ms, .max = 10s};
///     co_await sleep_for(wait.delay(1, random));      // 0 to 50 ms; later to 100, 200
///
/// Full jitter, because whoever failed together would else come again together.
struct backoff {
    /// The most that the first retry waits.
    clock::duration first = std::chrono::milliseconds(50);
    /// The most that any waits.
    clock::duration max = std::chrono::seconds(10);
    /// How much more each may wait than the one before.
    double factor = 2.0;

    /// The upper bound of the n-th wait; n counts from 1.
    [[nodiscard]] clock::duration bound(unsigned n) const noexcept;
    /// A wait from zero to `bound(n)`, each as likely.
    [[nodiscard]] clock::duration delay(unsigned n, entropy& random) const noexcept;
};

}  // namespace weft
