// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/semaphore.hpp>

#include <optional>
#include <source_location>
#include <utility>

namespace weft {

/// One coroutine at a time, across co_awaits: a lock that is waited for without blocking a thread.
///
///     mutex writing;
///     auto turn = co_await writing.lock();            // first come, first served
///     co_await stream.write(frame);                   // nobody else writes between
///
/// Held by a coroutine, not by a thread: it may be released on another thread. Not recursive.
/// Cancellation, threads and destruction are as for `semaphore`, which it is, with one permit.
class mutex {
  public:
    /// The lock, held; released when it ends. Move-only.
    using guard = semaphore::permit;

    mutex() noexcept : turns_(1) {}

    /// Waits for its turn.
    [[nodiscard]] awaitable<guard> lock(
        std::source_location where = std::source_location::current());

    /// Locks it if it is free.
    [[nodiscard]] std::optional<guard> try_lock() { return turns_.try_acquire(); }

    [[nodiscard]] bool locked() const { return turns_.available() == 0; }
    [[nodiscard]] std::size_t waiting() const { return turns_.waiting(); }

  private:
    semaphore turns_;
};

}  // namespace weft
