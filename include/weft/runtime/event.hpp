// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <atomic>
#include <source_location>

namespace weft {

/// Something that happens, and stays so: who waits goes on when it is set, and who comes later does
/// not wait at all.
///
///     event ready;                                    // outlives everybody who uses it
///     s.spawn(load_config(ready));                    // ... ready.set() once it is there
///     co_await ready.wait();
///
/// `set` wakes all who wait, in the order in which they came; a `reset` after it does not take that
/// back.
/// **Cancellation.** A cancelled wait throws operation_aborted, unless the event was set before.
/// **Threads.** Any function from any thread; who waits continues on its own executor, never from
/// inside `set`. Destroying an event ends the waits on it with operation_aborted.
class event final : private detail::waitable {
  public:
    explicit event(bool set = false) noexcept : set_(set) {}
    ~event() { detail::abandon(*this, waiting_); }

    [[nodiscard]] awaitable<void> wait(
        std::source_location where = std::source_location::current());

    /// It has happened. Once more does nothing.
    void set();
    /// From now on one waits again.
    void reset();
    [[nodiscard]] bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }
    [[nodiscard]] std::size_t waiting() const;

  private:
    struct waiting_for_it;
    std::atomic<bool> set_;  // written under the lock
    detail::wait_list waiting_;
};

}  // namespace weft
