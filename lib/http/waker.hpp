// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <cassert>
#include <utility>

namespace weft::http::detail {

/// Where the coroutine of a connection waits until something has happened. All on the connection's
/// executor, so a condition that was checked before waiting cannot change in between:
///
///     while (!input_arrived) co_await waker.wait();
///
/// wake() resumes the waiting coroutine from inside, so its caller does nothing afterwards that the
/// coroutine could have undone. A terminal cancellation of the waiting coroutine wakes it as well,
/// from the executor's queue.
class waker {
  public:
    /// `executor` is the owner's, and lives as long as this.
    explicit waker(const boost::asio::any_io_executor& executor) noexcept : executor_(executor) {}
    waker(const waker&) = delete;
    waker& operator=(const waker&) = delete;

    [[nodiscard]] auto wait() {
        return boost::asio::async_initiate<const boost::asio::deferred_t&, void()>(
            start{this}, boost::asio::deferred);
    }

    void wake() {
        if (!handler_) return;
        auto handler = take();
        std::move(handler)();
    }
    [[nodiscard]] bool waiting() const noexcept { return static_cast<bool>(handler_); }

    /// The execution context goes away: destroys the coroutine that waits.
    void abandon() noexcept {
        if (!handler_) return;
        auto handler = take();
    }

  private:
    using handler_type = boost::asio::any_completion_handler<void()>;

    handler_type take() noexcept {
        std::exchange(slot_, {}).clear();  // it belongs to the handler
        return std::exchange(handler_, nullptr);
    }

    struct start {
        waker* self;
        template <class Handler>
        void operator()(Handler&& handler) const {
            assert(!self->handler_ && "one coroutine waits at a time");
            // First the handler: erasing it takes over the slot that it came with and gives another
            // one.
            self->handler_ = std::forward<Handler>(handler);
            self->slot_ = boost::asio::get_associated_cancellation_slot(self->handler_);
            if (!self->slot_.is_connected()) return;
            self->slot_.assign([self = self](boost::asio::cancellation_type type) {
                if ((type & boost::asio::cancellation_type::terminal) !=
                    boost::asio::cancellation_type::none)
                    self->wake_later();
            });
        }
    };

    void wake_later() {
        if (!handler_) return;
        // The slot is cleared only later, because this runs inside of what it holds; but before the
        // coroutine goes on, which may outlive this object.
        boost::asio::post(executor_, [slot = std::exchange(slot_, {}),
                                      handler = std::exchange(handler_, nullptr)]() mutable {
            slot.clear();
            std::move(handler)();
        });
    }

    const boost::asio::any_io_executor& executor_;
    handler_type handler_;
    boost::asio::cancellation_slot slot_;
};

}  // namespace weft::http::detail
