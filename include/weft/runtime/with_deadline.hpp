// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/detail/limited.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <source_location>
#include <utility>

namespace weft {

namespace detail {

template <class T>
awaitable<T> run_with_deadline(limit l, awaitable<T> work) {
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    l.resolve(info);
    if (l.passed()) throw l.timed_out(nullptr);
    limited<T> one(std::move(executor), info, l, true, work);
    {
        const wait_scope waiting(info, "with_deadline", l.where);
        suspend_into<family> op{&one};
        co_await std::move(op);
    }
    const boost::asio::cancellation_state own = co_await boost::asio::this_coro::cancellation_state;
    co_return one.take(own.cancelled() != boost::asio::cancellation_type::none);
}

}  // namespace detail

/// Gives `work` so much time: when it runs out, `work` is cancelled (terminal cancellation) and
/// joined, and a failure of kind timeout that names the limit is thrown. Never early, and up to a
/// tick of the wheel (4 ms) late.
///
///     auto line = co_await with_deadline(5s, read_line(peer));     // "time limit of 5 s ran out"
///
/// What `work` gives or throws before that is passed on. A value that is there when the limit
/// strikes is given all the same; an exception that `work` throws because of the limit is the
/// failure's cause, if it is more than operation_aborted. A limit of zero or less is a timeout at
/// once, and `work` does not begin.
/// **Cancellation** of the caller is handed to `work`, whose operation_aborted passes through as it
/// is: so a timeout and a cancellation are told apart. A caller that is cancelled already throws at
/// once. The join is not interrupted.
/// **Cost.** A child coroutine and a wheel entry, on a strand where the executor is not serial. A
/// server's own limits are cheaper by far with a deadlines::entry.
template <class T>
[[nodiscard]] awaitable<T> with_deadline(
    clock::duration limit, awaitable<T> work,
    std::source_location where = std::source_location::current()) {
    return detail::run_with_deadline<T>(detail::limit(limit, where), std::move(work));
}

/// The same until a point in time of the context's clock.
template <class T>
[[nodiscard]] awaitable<T> with_deadline(
    clock::time_point when, awaitable<T> work,
    std::source_location where = std::source_location::current()) {
    return detail::run_with_deadline<T>(detail::limit(when, where), std::move(work));
}

}  // namespace weft
