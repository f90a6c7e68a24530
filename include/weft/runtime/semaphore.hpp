// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>

namespace weft {

/// So many at once, and no more: a count of permits that
/// coroutines take and give back, first come first served.
///
///     semaphore slots{100};                                   // outlives everybody who uses it
///     auto slot = co_await slots.acquire();                   // waits for its turn
///     co_return co_await fetch(url);                          // ~permit gives it back
///
/// **Order.** Nobody overtakes: who asks for one permit waits behind who asked earlier for ten.
/// **Cancellation.** A cancelled acquire throws operation_aborted and holds nothing; if its turn
/// had come already it returns the permit (and the next co_await throws). No permit is lost either
/// way.
/// **Threads.** Any function from any thread; who waits continues on its own executor, never from
/// inside a call here. Destroying a semaphore ends the waits on it with operation_aborted; permits
/// must be gone by then.
class semaphore final : private detail::waitable {
  public:
    class permit;

    /// `permits` may be taken at once.
    explicit semaphore(std::size_t permits) noexcept : available_(permits) {}
    ~semaphore() { detail::abandon(*this, waiting_); }

    /// Takes `count` permits, or waits until they are there. Asking for more than there will ever
    /// be waits forever.
    [[nodiscard]] awaitable<permit> acquire(
        std::size_t count = 1, std::source_location where = std::source_location::current());

    /// Takes them if they are there and nobody waits.
    [[nodiscard]] std::optional<permit> try_acquire(std::size_t count = 1);

    /// Adds permits: what `permit` does when it ends.
    /// Also a way to start with none and add them later.
    void release(std::size_t count = 1);

    /// Permits that could be taken now, and coroutines that wait.
    [[nodiscard]] std::size_t available() const;
    [[nodiscard]] std::size_t waiting() const;

  private:
    struct acquiring;
    bool take(std::size_t count) noexcept;
    void grant(detail::wait_list& ready) noexcept;
    void withdrawn(detail::wait_list& ready) noexcept override { grant(ready); }

    std::size_t available_;
    detail::wait_list waiting_;
};

/// Permits that are held; gives them back when it ends. Move-only, empty when moved from.
class semaphore::permit {
  public:
    permit() noexcept = default;
    permit(permit&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    permit& operator=(permit&& other) noexcept {
        if (this != &other) {
            release();
            from_ = std::exchange(other.from_, nullptr);
            count_ = std::exchange(other.count_, 0);
        }
        return *this;
    }
    ~permit() { release(); }

    /// Gives them back now.
    void release() noexcept {
        if (from_) std::exchange(from_, nullptr)->semaphore::release(std::exchange(count_, 0));
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] explicit operator bool() const noexcept { return from_ != nullptr; }

  private:
    friend class semaphore;
    permit(semaphore* from, std::size_t count) noexcept : from_(from), count_(count) {}

    semaphore* from_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace weft
