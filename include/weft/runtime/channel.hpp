// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// A queue of at most `capacity` values between coroutines,
/// with an end: many may send, many may receive.
///
///     channel<job> jobs{16};            // outlives everybody who uses it
///     s.spawn([&]() -> awaitable<void> {
///         while (auto j = co_await jobs.receive()) co_await j->run();
///     });
///     co_await jobs.send(job{1});       // waits while 16 are queued
///     jobs.close();
///
/// **Order.** Values arrive in the order of their sends; senders and receivers have their turns
/// first come first served. With a capacity of 0 a send waits until a receiver has taken its value.
/// **Cancellation.** A cancelled send throws operation_aborted and its value was not sent; a
/// cancelled receive throws it and has taken none. When the turn had come already both return as if
/// nothing was (and the next co_await throws). No value is lost either way.
/// **Threads.** Any function from any thread; who waits continues on its own executor, never from
/// inside a call here. Destroying a channel ends the waits on it with operation_aborted.
///
/// T needs a move constructor that does not throw, no default constructor.
template <class T>
class channel final : private detail::waitable {
    static_assert(std::is_object_v<T> && std::is_nothrow_move_constructible_v<T>,
                  "weft: a channel's value type must be nothrow move constructible");

  public:
    /// Takes the memory for `capacity` values.
    explicit channel(std::size_t capacity) : ring_(capacity) {}
    ~channel() {
        detail::abandon(*this, senders_);
        detail::abandon(*this, receivers_);
    }

    /// Sends, or waits until there is room. False when the channel was closed before it could:
    /// `value` is dropped.
    [[nodiscard]] awaitable<bool> send(
        T value, std::source_location where = std::source_location::current()) {
        {
            detail::wait_list ready;
            bool sent = false;
            {
                const std::lock_guard lock(this->monitor);
                if (closed_) co_return false;
                sent = put(value, ready);
            }
            ready.resume_all();
            if (sent) co_return true;
        }
        auto executor = co_await boost::asio::this_coro::executor;
        sending w(*this, std::move(executor), where, std::move(value));
        detail::suspend_into<detail::waiter> op{&w};
        co_await std::move(op);
        w.check();
        co_return w.result == detail::waiter::outcome::granted;
    }

    /// Takes the first value, or waits for one. nullopt when
    /// the channel is closed and nothing is left in it.
    [[nodiscard]] awaitable<std::optional<T>> receive(
        std::source_location where = std::source_location::current()) {
        std::optional<T> value;
        {
            detail::wait_list ready;
            bool done = false;
            {
                const std::lock_guard lock(this->monitor);
                done = get(value, ready) || closed_;
            }
            ready.resume_all();
            if (done) co_return value;
        }
        auto executor = co_await boost::asio::this_coro::executor;
        receiving w(*this, std::move(executor), where);
        detail::suspend_into<detail::waiter> op{&w};
        co_await std::move(op);
        w.check();
        co_return std::move(w.value);
    }

    /// Sends if there is room now: true, and `value` is moved from.
    [[nodiscard]] bool try_send(T& value) {
        detail::wait_list ready;
        bool sent = false;
        {
            const std::lock_guard lock(this->monitor);
            sent = !closed_ && put(value, ready);
        }
        ready.resume_all();
        return sent;
    }
    [[nodiscard]] bool try_send(T&& value) { return try_send(value); }

    /// Takes the first value if there is one now.
    [[nodiscard]] std::optional<T> try_receive() {
        std::optional<T> value;
        detail::wait_list ready;
        {
            const std::lock_guard lock(this->monitor);
            get(value, ready);
        }
        ready.resume_all();
        return value;
    }

    /// No more sends: those that wait return false. What is queued can still be received; then
    /// receivers get nullopt.
    void close() {
        detail::wait_list ready;
        {
            const std::lock_guard lock(this->monitor);
            closed_ = true;
            senders_.finish_all(detail::waiter::outcome::closed, ready);
            receivers_.finish_all(detail::waiter::outcome::closed, ready);
        }
        ready.resume_all();
    }

    [[nodiscard]] bool closed() const {
        const std::lock_guard lock(this->monitor);
        return closed_;
    }
    /// How many values are queued.
    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock(this->monitor);
        return queued_;
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return ring_.size(); }

  private:
    struct sending;
    struct receiving;

    // Under the lock: receivers wait only while nothing is queued and no sender waits; senders only
    // while it is full.

    /// Moves `value` into the channel, to the first
    /// receiver if one waits; false when there is no room.
    bool put(T& value, detail::wait_list& ready) noexcept {
        if (!receivers_.empty()) {
            static_cast<receiving*>(receivers_.first())->value.emplace(std::move(value));
            receivers_.finish_first(detail::waiter::outcome::granted, ready);
            return true;
        }
        if (queued_ == ring_.size()) return false;
        push(value);
        return true;
    }

    void push(T& value) noexcept {
        ring_[(head_ + queued_) % ring_.size()].emplace(std::move(value));
        ++queued_;
    }

    /// Moves the first value to `into`, and the first waiting
    /// sender's to the queue; false when there is none.
    bool get(std::optional<T>& into, detail::wait_list& ready) noexcept {
        if (queued_ > 0) {
            into.emplace(std::move(*ring_[head_]));
            ring_[head_].reset();
            head_ = (head_ + 1) % ring_.size();
            --queued_;
            if (!senders_.empty()) {
                push(static_cast<sending*>(senders_.first())->value);
                senders_.finish_first(detail::waiter::outcome::granted, ready);
            }
            return true;
        }
        if (senders_.empty()) return false;
        into.emplace(std::move(static_cast<sending*>(senders_.first())->value));
        senders_.finish_first(detail::waiter::outcome::granted, ready);
        return true;
    }

    bool closed_ = false;
    std::size_t head_ = 0;
    std::size_t queued_ = 0;
    std::vector<std::optional<T>> ring_;
    detail::wait_list senders_;
    detail::wait_list receivers_;
};

template <class T>
struct channel<T>::sending final : detail::waiter {
    sending(channel& c, boost::asio::any_io_executor executor, std::source_location where, T v)
        : waiter(c, c.senders_, std::move(executor), "channel::send", where),
          of(c),
          value(std::move(v)) {}

    bool attempt(detail::wait_list& ready) noexcept override {
        if (of.closed_) {
            result = outcome::closed;
            return true;
        }
        if (!of.senders_.empty() || !of.put(value, ready)) return false;
        result = outcome::granted;
        return true;
    }

    channel& of;
    T value;
};

template <class T>
struct channel<T>::receiving final : detail::waiter {
    receiving(channel& c, boost::asio::any_io_executor executor, std::source_location where)
        : waiter(c, c.receivers_, std::move(executor), "channel::receive", where), of(c) {}

    bool attempt(detail::wait_list& ready) noexcept override {
        if (of.get(value, ready)) {
            result = outcome::granted;
            return true;
        }
        if (!of.closed_) return false;
        result = outcome::closed;
        return true;
    }

    channel& of;
    std::optional<T> value;
};

}  // namespace weft
