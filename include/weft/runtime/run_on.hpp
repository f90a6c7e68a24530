// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/detail/children.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

template <class T>
class guest final : public family {
  public:
    guest(boost::asio::any_io_executor here, context_info& info, boost::asio::any_io_executor there,
          awaitable<T>& work)
        : family(std::move(here), info),
          there_(std::move(there)),
          work_(work),
          child_(child::seat{this, &there_}) {}
    ~guest() = default;

    void cancel_all() override { child_.cancel(); }
    T take() {
        if (child_.error) std::rethrow_exception(child_.error);
        if constexpr (!std::is_void_v<T>) return std::move(*child_.value);
    }

  private:
    void launch() override { child_.launch(std::move(work_), true); }
    void ended(child&) override {}

    boost::asio::any_io_executor there_;
    awaitable<T>& work_;
    child_of<T> child_;
};

}  // namespace detail

/// Runs `work` on another executor and gives what it gave, back on the caller's.
///
///     auto chunk = co_await run_on(connection.get_executor(), connection.pull());
///
/// `there` must be serial: a strand, a core of a weft::runtime. Throws what `work` throws.
/// Cancelling the caller cancels `work` there; the caller goes on when it has ended. Costs one
/// child coroutine and two posts.
template <class T>
[[nodiscard]] awaitable<T> run_on(boost::asio::any_io_executor there, awaitable<T> work,
                                  std::source_location where = std::source_location::current()) {
    auto here = co_await boost::asio::this_coro::executor;
    context_info& info = context_info::of(here);
    detail::guest<T> one(std::move(here), info, std::move(there), work);
    {
        const wait_scope waiting(info, "run_on", where);
        detail::suspend_into<detail::family> op{&one};
        co_await std::move(op);
    }
    co_return one.take();
}

}  // namespace weft
