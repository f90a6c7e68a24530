// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What semaphore, event, channel and mutex are made of: a lock and first-in-first-out lists of
// waiting coroutines.

#include <weft/core/config.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/suspend.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <source_location>

namespace weft::detail {

class wait_list;
class wait_service;

/// Something to wait for. Lists of its waiters, and
/// all that they wait for, are guarded by `monitor`.
class waitable {
  public:
    waitable() = default;
    waitable(const waitable&) = delete;
    waitable& operator=(const waitable&) = delete;

    mutable std::mutex monitor;

    /// A waiter was cancelled and has left its list: whoever
    /// can go on now moves to `ready`. Called under the lock.
    virtual void withdrawn(wait_list& ready) noexcept;

  protected:
    ~waitable() = default;
};

/// One coroutine that waits, in its frame. Under the owner's lock it is in one list at most;
/// whoever takes it out of it decides how its wait ends, and nobody else can: a grant and a
/// cancellation never both happen, and neither is lost.
class waiter {
  public:
    enum class outcome : unsigned char { waiting, granted, aborted, closed };

    waiter(waitable& owner, wait_list& home, boost::asio::any_io_executor executor,
           const char* what, std::source_location where);
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// Called once the coroutine is suspended.
    void suspended(resume_handle handle, boost::asio::cancellation_slot slot);

    /// After the wait: throws operation_aborted when it was cancelled.
    void check() const;

    outcome result = outcome::waiting;

  protected:
    ~waiter();
    /// Takes what it waits for, if it can have it now: sets `result` and returns true. Under the
    /// lock; the list is looked at first, so no one overtakes. Others that can go on because of it
    /// move to `ready`.
    virtual bool attempt(wait_list& ready) noexcept = 0;

  private:
    friend class wait_list;
    friend class wait_service;
    struct on_cancel;

    void cancel();
    void resume();

    std::atomic<waitable*> owner_;
    wait_list& home_;
    wait_list* list_ = nullptr;
    waiter* previous_ = nullptr;
    waiter* next_ = nullptr;

    boost::asio::any_io_executor executor_;
    context_info& info_;
    resume_handle handle_;
    live_token counted_;
    wait_scope named_;

    // The context's list of all that wait on it: who destroys them when it ends first.
    wait_service* service_ = nullptr;
    waiter* service_previous_ = nullptr;
    waiter* service_next_ = nullptr;
};

/// Waiters in the order in which they came.
class wait_list {
  public:
    wait_list() = default;
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;
    ~wait_list() = default;

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] waiter* first() const noexcept { return first_; }

    /// Takes the first waiter out of this list, gives it `result`, and appends it to `ready`.
    void finish_first(waiter::outcome result, wait_list& ready) noexcept;
    void finish_all(waiter::outcome result, wait_list& ready) noexcept {
        while (first_) finish_first(result, ready);
    }

    /// Resumes everybody in this list of finished waiters, each by post on its own executor.
    /// Without the lock.
    void resume_all();

  private:
    friend class waiter;
    void append(waiter& w) noexcept;
    void remove(waiter& w) noexcept;

    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
    std::size_t size_ = 0;
};

/// The end of a primitive: whoever still waits is resumed with operation_aborted.
void abandon(waitable& owner, wait_list& list) noexcept;

}  // namespace weft::detail
