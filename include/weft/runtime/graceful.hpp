// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

/// A child that is not cancelled with its parent, but told.
class told_child final : public family {
  public:
    told_child(boost::asio::any_io_executor here, context_info& info)
        : family(here, info),
          lane_(info.serial() ? std::move(here) : serialized(std::move(here))),
          child_(child::seat{this, &lane_}) {}
    ~told_child() = default;

    event stop;
    void set_work(awaitable<void> work) { work_.emplace(std::move(work)); }
    void cancel_all() override { stop.set(); }
    void take() const {
        if (child_.error) std::rethrow_exception(child_.error);
    }

  private:
    void launch() override { child_.launch(std::move(*work_), false); }
    void ended(child&) override {}

    boost::asio::any_io_executor lane_;
    std::optional<awaitable<void>> work_;
    child_of<void> child_;
};

}  // namespace detail

/// Runs `work(stop)`, which cancellation does not interrupt:
/// it sets `stop`, and the work comes to its own end.
///
///     co_await graceful([&](event& stop) -> awaitable<void> {
///         co_await with_scope([&](task_scope& s) -> awaitable<void> {
///             s.spawn(accept_connections());
///             co_await stop.wait();
///             co_await with_deadline(10s, drained.wait());
///         });
///     });
///
/// Completes when the work has, and throws what it throws. A cancellation has then been answered:
/// the coroutine that awaited graceful goes on as if there had been none. `work` is kept for as
/// long as it runs. Costs a child coroutine.
template <class F>
    requires std::same_as<std::invoke_result_t<F&, event&>, awaitable<void>>
[[nodiscard]] awaitable<void> graceful(
    F work, std::source_location where = std::source_location::current()) {
    auto executor = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    detail::told_child one(std::move(executor), info);
    one.set_work(work(one.stop));
    {
        const wait_scope waiting(info, "graceful", where);
        detail::suspend_into<detail::family> op{&one};
        co_await std::move(op);
    }
    co_await boost::asio::this_coro::reset_cancellation_state(
        boost::asio::enable_terminal_cancellation());
    one.take();
}

}  // namespace weft
