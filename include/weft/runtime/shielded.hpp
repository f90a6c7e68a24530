// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/attempt.hpp>
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
/// resumes it when the work has ended.
class [[nodiscard]] shielded_work {
  public:
    using report = void (*)(void* outcome, std::exception_ptr thrown) noexcept;

    shielded_work(detail::limit l, awaitable<void> work, report to, void* outcome) noexcept
        : limit_(l), work_(std::move(work)), report_(to), outcome_(outcome) {}
    /// Only before it is awaited.
    shielded_work(shielded_work&& other) noexcept
        : limit_(other.limit_),
          work_(std::move(other.work_)),
          report_(other.report_),
          outcome_(other.outcome_) {}
    shielded_work& operator=(shielded_work&&) = delete;
    ~shielded_work();

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

    void start(boost::asio::any_io_executor executor, detail::resume_handle coroutine);

    detail::limit limit_;
    awaitable<void> work_;
    report report_;
    void* outcome_;
    running* running_ = nullptr;
};

/// Last words: runs `work` to its end although the coroutine that awaits it is cancelled, before or
/// meanwhile, for at most `limit`.
///
///     std::exception_ptr e;
///     try { co_await serve(stream); } catch (...) { e = std::current_exception(); }
///     result<void> said;
///     co_await shielded(2s, stream.shutdown_send(), said);  // also when we are being cancelled
///     if (e) std::rethrow_exception(e);
///     said.value();                                         // throws what the last words threw
///
/// Throws nothing: `outcome` gets what `attempt` would give, that is the failure `work` threw, or
/// one of kind timeout when the limit, counted from the start, has run out and `work` was cancelled
/// and joined. It must be given, so that none is lost by accident: a cancelled coroutine has
/// something else to throw. The cancellation of the caller stays as it was: its next co_await
/// throws operation_aborted. Runs on the caller's executor (on a strand if that is not serial).
/// Costs a child coroutine and a wheel entry.
shielded_work shielded(clock::duration limit, awaitable<void> work, result<void>& outcome,
                       std::source_location where = std::source_location::current()) noexcept;

namespace detail {

template <class T>
awaitable<void> keep(awaitable<T> work, std::optional<result<T>>& outcome) {
    T value = co_await std::move(work);
    outcome.emplace(std::move(value));
}

}  // namespace detail

/// The same for work that gives a value. `outcome` is set when this has been awaited.
template <class T>
shielded_work shielded(clock::duration limit, awaitable<T> work, std::optional<result<T>>& outcome,
                       std::source_location where = std::source_location::current()) {
    constexpr auto report = [](void* to, std::exception_ptr thrown) noexcept {
        if (thrown)
            static_cast<std::optional<result<T>>*>(to)->emplace(failure::from(std::move(thrown)));
    };
    return shielded_work(detail::limit(limit, where), detail::keep(std::move(work), outcome),
                         report, &outcome);
}

}  // namespace weft
