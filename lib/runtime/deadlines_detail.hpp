// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The parts of deadlines that its two source files share.

#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/execution.hpp>

#include <chrono>
#include <mutex>
#include <utility>

namespace weft {

class deadlines::guard {
  public:
    explicit guard(const deadlines& d) : mutex_(d.info_.serial() ? nullptr : &d.mutex_) {
        if (mutex_) mutex_->lock();
    }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() {
        if (mutex_) mutex_->unlock();
    }

  private:
    std::mutex* mutex_;
};

/// Runs a completion right where the context's scheduler hands it over. It needs no more than the
/// context itself, which is all that context_info knows; what fires is posted on from there.
class scheduler_executor {
  public:
    explicit scheduler_executor(boost::asio::execution_context& context) noexcept
        : context_(&context) {}

    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept {
        return *context_;
    }
    static constexpr boost::asio::execution::blocking_t query(
        boost::asio::execution::blocking_t) noexcept {
        return boost::asio::execution::blocking.possibly;
    }
    template <class F>
    void execute(F&& f) const {
        std::forward<F>(f)();
    }
    friend bool operator==(const scheduler_executor&, const scheduler_executor&) noexcept = default;

  private:
    boost::asio::execution_context* context_;
};

struct deadlines::driver {
    using timer_type =
        boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                          boost::asio::wait_traits<std::chrono::steady_clock>,
                                          scheduler_executor>;

    explicit driver(boost::asio::execution_context& context) : timer(scheduler_executor(context)) {}

    timer_type timer;
    bool waiting = false;
    time_point at{};
    std::uint64_t number = 0;  // of the wait under way: an earlier one may still complete
};

/// A firing under way between the wheel and the entry's executor. The entry points at it and it at
/// the entry, both under the guard: whoever goes first cuts the link.
struct deadlines::firing : due_item {
    explicit firing(entry& e) : owner(e.wheel_), target(&e), executor(e.executor_) {}
    deadlines& owner;
    entry* target;
    boost::asio::any_io_executor executor;
};

}  // namespace weft
