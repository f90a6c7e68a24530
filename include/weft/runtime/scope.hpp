// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/core/extensions.hpp>
#include <weft/core/failure.hpp>
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
class scope_core;
struct scope_access;
}  // namespace detail

/// What hears of a supervised child's failure, and of where that child was spawned. Called on the
/// child's executor.
using failure_observer = std::function<void(const failure&, std::source_location)>;

/// Where child coroutines live: none outlives it. Made by `with_scope` only.
///
///     co_await with_scope([&](task_scope& s) -> awaitable<void> {
///         s.spawn(heartbeat(peer));                           // its failure ends the scope
///         for (;;) {
///             auto conn = co_await listener.accept();
///             s.spawn_supervised(serve(std::move(conn)), log_it);  // ends nothing else
///         }
///     });                                                     // here all of them have ended
///
/// **Leaving.** When the body returns or throws, all children are cancelled (terminal cancellation)
/// and joined. with_scope gives what the body gave. A child that fails first (`spawn`) cancels its
/// siblings and the body, and with_scope throws its failure. A child that ends with
/// operation_aborted (or a failure of kind cancelled) after it was cancelled has not failed; any
/// other exception of a `spawn`ed child is thrown, also one that is thrown while leaving.
/// **Cancellation** of the coroutine that awaits with_scope cancels the body and all children; the
/// join is waited for in any case, and a second cancellation changes nothing.
/// **Start.** A child begins at its executor's next turn, never from inside `spawn`. If it is
/// cancelled before, or spawned into a scope that is ending, it does not begin: its coroutine is
/// destroyed.
/// **Threads.** On an executor that is not serial, the body and each child have a strand of their
/// own. All functions may be called from any thread, by the body and the children.
class task_scope {
  public:
    task_scope(const task_scope&) = delete;
    task_scope& operator=(const task_scope&) = delete;

    /// Starts a child whose failure ends the scope. The arguments of its coroutine live in it: pass
    /// values, or references to what outlives the scope.
    void spawn(awaitable<void> work, std::source_location where = std::source_location::current());
    /// The same for a callable that gives an awaitable<void>, a capturing lambda say: it is kept
    /// until the child ends.
    template <class F>
        requires std::is_same_v<std::invoke_result_t<F&>, awaitable<void>>
    void spawn(F work, std::source_location where = std::source_location::current()) {
        spawn(call(std::move(work)), where);
    }

    /// Starts a child whose failure is told to `on_failure`, and to nobody else. If that throws, it
    /// is as if the child had been spawned by `spawn`.
    void spawn_supervised(awaitable<void> work, failure_observer on_failure,
                          std::source_location where = std::source_location::current());
    template <class F>
        requires std::is_same_v<std::invoke_result_t<F&>, awaitable<void>>
    void spawn_supervised(F work, failure_observer on_failure,
                          std::source_location where = std::source_location::current()) {
        spawn_supervised(call(std::move(work)), std::move(on_failure), where);
    }

    /// The same, telling the observer of `ext` (a record "task failed" of severity error, with the
    /// failure and the place).
    void spawn_supervised(awaitable<void> work, const extensions& ext,
                          std::source_location where = std::source_location::current());
    template <class F>
        requires std::is_same_v<std::invoke_result_t<F&>, awaitable<void>>
    void spawn_supervised(F work, const extensions& ext,
                          std::source_location where = std::source_location::current()) {
        spawn_supervised(call(std::move(work)), ext, where);
    }

    /// Starts a child, as `spawn` does, on another executor: another core, say.
    void spawn_on(boost::asio::any_io_executor executor, awaitable<void> work,
                  std::source_location where = std::source_location::current());

    /// Cancels the body and all children, as the failure of one does, but is none. Spawns that come
    /// later do not begin. A body that is stopped by it makes with_scope throw operation_aborted.
    void cancel();
    /// Whether the scope is ending.
    [[nodiscard]] bool cancelled() const;

    /// Children that have not ended, the body apart.
    [[nodiscard]] std::size_t size() const;

    /// The executor of the coroutine that awaits with_scope.
    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept;

  private:
    friend class detail::scope_core;
    explicit task_scope(detail::scope_core& core) noexcept : core_(core) {}

    template <class F>
    static awaitable<void> call(F work) {
        co_await work();
    }

    detail::scope_core& core_;
};

namespace detail {

/// All of a scope that does not depend on its body's type.
class scope_core : public family {
  public:
    scope_core(boost::asio::any_io_executor executor, context_info& info)
        : family(std::move(executor), info), scope_(*this) {}

    void cancel_all() override;
    void spawn(boost::asio::any_io_executor executor, awaitable<void> work,
               failure_observer observer, std::source_location where);
    [[nodiscard]] bool cancelled() const;
    [[nodiscard]] std::size_t size() const;

  protected:
    ~scope_core() = default;
    void ended(child& c) override;
    void fail(std::exception_ptr e);
    void rethrow_first() const {
        if (first_) std::rethrow_exception(first_);
    }

    task_scope scope_;
    child* body_ = nullptr;

  private:
    struct spawned;

    mutable std::mutex monitor_;
    bool cancelled_ = false;
    std::size_t size_ = 0;
    spawned* children_ = nullptr;
    std::exception_ptr first_;
};

template <class F, class T>
class scope_of final : public scope_core {
  public:
    scope_of(boost::asio::any_io_executor executor, context_info& info, F& body)
        : scope_core(executor, info),
          body_executor_(info.serial() ? std::move(executor) : serialized(std::move(executor))),
          make_body_(body),
          body_child_(child::seat{this, &body_executor_}) {
        body_ = &body_child_;
    }
    ~scope_of() = default;

    T take() {
        rethrow_first();
        if constexpr (!std::is_void_v<T>) return std::move(*body_child_.value);
    }

  private:
    void launch() override {
        awaitable<T> work;
        try {
            work = make_body_(scope_);
        } catch (...) {
            return body_child_.never_started(std::current_exception());
        }
        body_child_.launch(std::move(work), false);
    }

    boost::asio::any_io_executor body_executor_;
    F& make_body_;
    child_of<T> body_child_;
};

}  // namespace detail

/// Runs `body` with a scope for child coroutines, and gives what it gave once all of them have
/// ended: see task_scope.
///
///     auto total = co_await with_scope([&](task_scope& s) -> awaitable<int> { ... co_return 3; });
///
/// `body` is kept for as long as it runs, so a capturing lambda is fine here. Throws the first
/// failure. A caller that is cancelled already throws at once, and nothing begins. Costs one child
/// coroutine, for the body.
template <class F, class A = std::invoke_result_t<F&, task_scope&>>
[[nodiscard]] A with_scope(F body, std::source_location where = std::source_location::current()) {
    using T = awaitable_value_t<A>;
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    detail::scope_of<F, T> scope(std::move(executor), info, body);
    {
        const wait_scope waiting(info, "with_scope", where);
        detail::suspend_into<detail::family> op{&scope};
        co_await std::move(op);
    }
    co_return scope.take();
}

}  // namespace weft
