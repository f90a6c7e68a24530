// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/detail/limited.hpp>
#include <weft/runtime/detail/suspend.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>
#include <source_location>
#include <utility>

namespace weft {

/// What `shielded` gives: await it, once, in the expression that made it.
///
/// It is no awaitable<void>, because Asio lets a cancelled coroutine await none. Asio's promise
/// calls it instead with the suspended coroutine (as it calls the operations of use_awaitable), and
/// resumes it when the work has ended; a failure is thrown at the end of the co_await expression.
class [[nodiscard]] shielded_work {
  public:
    shielded_work(detail::limit l, awaitable<void> work) noexcept
        : limit_(l), work_(std::move(work)) {}
    /// Only before it is awaited.
    shielded_work(shielded_work&& other) noexcept
        : limit_(other.limit_), work_(std::move(other.work_)) {}
    shielded_work& operator=(shielded_work&&) = delete;
    /// Throws what the work threw.
    ~shielded_work() noexcept(false);

    /// As an awaitable<void>, for who wants to store it, or to race it. A cancelled coroutine
    /// cannot await that.
    operator awaitable<void>() && {  // NOLINT(google-explicit-constructor)
        return awaited(std::move(*this));
    }

    /// For Asio's promise.
    template <class Frame>
    boost::asio::detail::awaitable_thread<boost::asio::any_io_executor>* operator()(Frame* frame) {
        using handler =
            boost::asio::detail::awaitable_async_op_handler<void(), boost::asio::any_io_executor>;
        typename handler::result_type nothing;
        handler coroutine(frame->detach_thread(), nothing);
        boost::asio::any_io_executor executor = coroutine.get_executor();
        start(std::move(executor), detail::resume_handle(std::move(coroutine)));
        return nullptr;
    }

  private:
    struct running;

    static awaitable<void> awaited(shielded_work self);
    void start(boost::asio::any_io_executor executor, detail::resume_handle coroutine);

    detail::limit limit_;
    awaitable<void> work_;
    running* running_ = nullptr;
};

/// Last words: runs `work` to its end although the coroutine that awaits it is cancelled, before or
/// meanwhile, for at most `limit`.
///
///     std::exception_ptr e;
///     try { co_await serve(stream); } catch (...) { e = std::current_exception(); }
///     co_await shielded(2s, stream.shutdown_send());      // also when we are being cancelled
///     if (e) std::rethrow_exception(e);
///
/// Throws what `work` throws, or a failure of kind timeout when the limit, counted from the start,
/// has run out and `work` was cancelled and joined. The cancellation of the caller stays as it was:
/// its next co_await throws operation_aborted. Runs on the caller's executor (on a strand if that
/// is not serial). Costs a child coroutine and a wheel entry.
inline shielded_work shielded(
    clock::duration limit, awaitable<void> work,
    std::source_location where = std::source_location::current()) noexcept {
    return shielded_work(detail::limit(limit, where), std::move(work));
}

/// The same for work that gives a value, which is put into `result`; `result` stays as it is when
/// it throws.
template <class T>
shielded_work shielded(clock::duration limit, awaitable<T> work, std::optional<T>& result,
                       std::source_location where = std::source_location::current()) {
    return shielded_work(detail::limit(limit, where), detail::store(std::move(work), result));
}

}  // namespace weft
