// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// What running a test in virtual and in real time have in common.

#include <weft/runtime/context.hpp>
#include <weft/testing/run.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <exception>
#include <source_location>
#include <string>

namespace weft::testing::detail {

/// The coroutine under test, and what came of it.
class test_root {
  public:
    explicit test_root(std::source_location where) : where_(where) {}

    /// Queues the start of the coroutine on `executor`.
    void start(context_info& info, start_function start, void* argument,
               boost::asio::any_io_executor executor);
    [[nodiscard]] bool done() const noexcept { return done_; }
    /// Called at the end of the coroutine.
    void on_done(void (*f)(void*), void* argument) noexcept {
        notify_ = f;
        notify_argument_ = argument;
    }

    /// Keeps the first failure, and asks the coroutine to end.
    void fail(std::exception_ptr error);
    void fail_with_report(std::string first_line, std::string_view hint);

    /// Asks the coroutine to end; only once.
    void cancel();
    /// It was asked to end, nothing can happen any more, and it is still there.
    void give_up();

    /// When all is over: throws the failure, or what was left behind.
    void finish(bool foreign_work);

  private:
    context_info* info_ = nullptr;
    std::source_location where_;
    boost::asio::cancellation_signal signal_;
    std::exception_ptr failure_;
    std::string report_;
    bool reported_ = false;
    bool cancelled_ = false;
    bool done_ = false;
    void (*notify_)(void*) = nullptr;
    void* notify_argument_ = nullptr;
};

}  // namespace weft::testing::detail
