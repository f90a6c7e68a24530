// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Child coroutines and the parent that joins them: what
// scopes, races, deadlines and shields are made of.
//
// Asio 1.83 alone would do this: a child that is cancelled before its first suspension throws out
// of io_context::run() and its completion handler never runs; a result type must be
// default-constructible; cancellation is emitted from whatever thread, and passes only where it is
// terminal. So here:
// - each child runs on a serial executor, and its cancellation is emitted there, once, terminal,
//   and only while its coroutine runs. A child that is cancelled before that does not begin.
// - results are kept in optional<T>, failures in an exception_ptr.
// - a child counts until its coroutine is gone and no emission towards it is under way; the parent
//   is resumed when the count is zero, so what it owns may end there. Nothing interrupts the join.

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/detail/suspend.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft::detail {

class child;

/// `void` has a value too: std::monostate.
template <class T>
using value_of = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Throws operation_aborted, as a cancelled co_await does.
[[noreturn]] void throw_aborted();
std::exception_ptr aborted_exception();

/// The children of one suspended parent. Lives in the parent's frame.
class family {
  public:
    family(boost::asio::any_io_executor parent, context_info& info) noexcept
        : parent_executor_(std::move(parent)), info_(info) {}
    family(const family&) = delete;
    family& operator=(const family&) = delete;

    /// Called once the parent is suspended: connects its
    /// cancellation to `cancel_all`, and launches the children.
    void suspended(resume_handle parent, boost::asio::cancellation_slot slot);

    [[nodiscard]] const boost::asio::any_io_executor& parent_executor() const noexcept {
        return parent_executor_;
    }
    [[nodiscard]] context_info& info() const noexcept { return info_; }

    /// Asks all children to stop; from any thread on which the family is known to live.
    virtual void cancel_all() = 0;

  protected:
    ~family() = default;
    /// Starts the first children. The parent is suspended, and is not resumed before this returns.
    virtual void launch() = 0;
    /// A child has ended. On the child's executor.
    virtual void ended(child& c) = 0;
    /// Whether the parent's cancellation is handed on.
    virtual bool listens() const noexcept { return true; }

    void enter() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
    void leave();

  private:
    friend class child;
    struct on_cancel;

    std::atomic<std::size_t> count_{1};
    std::atomic<bool> lost_{false};
    boost::asio::any_io_executor parent_executor_;
    context_info& info_;
    resume_handle parent_;
};

/// One child coroutine.
class child {
  public:
    /// What a family member is made from (a tuple of children is built in place).
    struct seat {
        family* of;
        const boost::asio::any_io_executor* on;  // a serial executor
    };

    explicit child(seat s) : child(*s.of, *s.on, s.of->info()) {}
    child(family& of, boost::asio::any_io_executor on, context_info& info);
    child(const child&) = delete;
    child& operator=(const child&) = delete;

    /// Asks it to stop: emits, on its executor, if it runs, or keeps it from beginning. Only the
    /// first call counts. Does nothing once it has ended.
    void cancel();

    [[nodiscard]] bool cancel_requested() const noexcept {
        return cancel_requested_.load(std::memory_order_acquire);
    }
    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept {
        return executor_;
    }

    /// Null when it ended well. Valid in family::ended and after the join.
    std::exception_ptr error;
    /// `error` says that an operation was cancelled.
    bool aborted = false;
    /// The next of a list made while cancelling.
    child* next_cancelled = nullptr;

    /// Marks it as to be cancelled: true for the first who does, who must then call
    /// `emit_cancellation`.
    bool request_cancel() noexcept {
        return !cancel_requested_.exchange(true, std::memory_order_acq_rel);
    }
    /// Keeps it (and the family) while an emission is under way; false when it is gone already.
    bool retain() noexcept;
    /// Emits on the child's executor; consumes what `retain` gave.
    void emit_cancellation();

    /// Instead of a launch: it has failed.
    void never_started(std::exception_ptr e);

    // For its coroutine, on its executor.
    void begin();            ///< throws operation_aborted when it was cancelled before
    void failed() noexcept;  ///< in a handler: notes the exception
    void end() noexcept { running_ = false; }

  protected:
    ~child() = default;
    /// It is over for good: whoever allocated it frees it.
    virtual void dispose() noexcept {}
    /// On its executor, just before its coroutine begins, and when it has ended.
    virtual void on_begin() {}
    virtual void on_end() noexcept {}

    /// Hands `body` to Asio.
    void start(awaitable<void> body);

    family& family_;

  private:
    struct exit;
    struct emission;
    void release();
    void exited(std::exception_ptr e);

    boost::asio::any_io_executor executor_;
    boost::asio::cancellation_signal signal_;
    std::atomic<std::size_t> references_{1};
    std::atomic<bool> cancel_requested_{false};
    bool running_ = false;  // only on the executor
    live_token counted_;
};

/// Suspends a coroutine for one turn of its executor.
struct turn_of {
    const boost::asio::any_io_executor& executor;
    void suspended(resume_handle handle, boost::asio::cancellation_slot) {
        resume_by_post(executor, std::move(handle));
    }
};

/// A child with a result.
template <class T>
class child_of : public child {
  public:
    using child::child;
    virtual ~child_of() = default;

    /// `next_turn`: begin at the executor's next turn instead of from inside this call. What cannot
    /// be launched (no memory) has failed.
    void launch(awaitable<T> work, bool next_turn) {
        awaitable<void> body;
        try {
            body = run(std::move(work), next_turn);
        } catch (...) {
            return never_started(std::current_exception());
        }
        start(std::move(body));
    }

    std::optional<value_of<T>> value;

    /// After the join: the value, or rethrows.
    value_of<T> take() {
        if (error) std::rethrow_exception(error);
        return std::move(*value);
    }

  private:
    awaitable<void> run(awaitable<T> work, bool next_turn) {
        if (next_turn) {
            turn_of turn{executor()};
            suspend_into<turn_of> op{&turn};
            co_await std::move(op);
        }
        try {
            begin();
            if constexpr (std::is_void_v<T>) {
                co_await std::move(work);
                value.emplace();
            } else {
                T result = co_await std::move(work);
                value.emplace(std::move(result));
            }
        } catch (...) {
            failed();
        }
        end();
        // Asio's own last step awaits once more: that must
        // not throw because of a cancellation that came late.
        co_await boost::asio::this_coro::throw_if_cancelled(false);
    }
};

}  // namespace weft::detail
