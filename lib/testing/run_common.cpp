// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "run_common.hpp"

#include <weft/runtime/scope.hpp>
#include <weft/testing/counters.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace weft::testing {

namespace asio = boost::asio;

counters counters::of(context_info& info) noexcept {
    const live_counts& live = info.live();
    counters c;
    c.tasks = live.tasks.load(std::memory_order_relaxed);
    c.streams = live.streams.load(std::memory_order_relaxed);
    c.deadlines = live.deadlines.load(std::memory_order_relaxed);
    c.waiters = live.waiters.load(std::memory_order_relaxed);
    c.descriptors = live.descriptors.load(std::memory_order_relaxed);
    return c;
}

std::string counters::describe() const {
    std::string text;
    const auto add = [&text](std::int64_t n, const char* what) {
        if (n == 0) return;
        fmt::format_to(std::back_inserter(text), "{}{} {}{}", text.empty() ? "" : ", ", n, what,
                       n == 1 ? "" : "s");
    };
    add(tasks, "task");
    add(streams, "stream");
    add(deadlines, "deadline");
    add(waiters, "waiter");
    add(descriptors, "descriptor");
    return text;
}

namespace detail {

namespace {

std::string place(std::source_location where) {
    std::string_view file = where.file_name();
    if (const auto slash = file.rfind('/'); slash != std::string_view::npos)
        file.remove_prefix(slash + 1);
    return fmt::format("{}:{}", file, where.line());
}

std::string waits_of(context_info& info) {
    if (!info.waits() || info.waits()->size() == 0) return "no weft wait is registered\n";
    return "who waits, oldest first:\n" + info.waits()->report();
}

awaitable<void> root(context_info& info, start_function start, void* argument,
                     std::source_location where) {
    auto body = [&info, start, argument](task_scope& scope) -> awaitable<void> {
        info.set_test_root(&scope);
        awaitable<void> test = start(argument);
        co_await std::move(test);
    };
    std::exception_ptr error;
    try {
        co_await with_scope(body, where);
    } catch (...) {
        error = std::current_exception();
    }
    info.set_test_root(nullptr);
    if (error) std::rethrow_exception(error);
}

}  // namespace

void test_root::start(context_info& info, start_function start, void* argument,
                      asio::any_io_executor executor) {
    info_ = &info;
    asio::co_spawn(executor, root(info, start, argument, where_),
                   asio::bind_cancellation_slot(signal_.slot(), [this](std::exception_ptr error) {
                       done_ = true;
                       // After a report the coroutine only says that it was cancelled.
                       if (error && !failure_ && !reported_) failure_ = error;
                       if (notify_) notify_(notify_argument_);
                   }));
}

void test_root::fail(std::exception_ptr error) {
    if (!failure_ && !reported_) failure_ = std::move(error);
    cancel();
}

void test_root::fail_with_report(std::string first_line, std::string_view hint) {
    if (!failure_ && !reported_) {
        reported_ = true;
        report_ = fmt::format("{}\ntest begun at {}; {}{}", first_line, place(where_),
                              waits_of(*info_), hint);
    }
    cancel();
}

void test_root::cancel() {
    if (std::exchange(cancelled_, true) || done_) return;
    signal_.emit(asio::cancellation_type::terminal);
}

void test_root::give_up() {
    const std::string more = "asked to end, the test did not; " + waits_of(*info_);
    if (reported_) {
        report_ += more;
    } else if (!failure_) {
        reported_ = true;
        report_ = more;
    }
}

void test_root::finish(bool foreign_work) {
    if (failure_) std::rethrow_exception(failure_);
    if (reported_) throw deadlock(report_);
    std::string left = counters::of(*info_).describe();
    if (foreign_work)
        left += left.empty() ? "an operation of Asio's own" : ", an operation of Asio's own";
    const std::size_t waits = info_->waits() ? info_->waits()->size() : 0;
    if (left.empty() && waits == 0) return;
    if (left.empty()) left = "a wait";
    throw leak(fmt::format("the test begun at {} ended and left behind: {}\n{}", place(where_),
                           left, waits == 0 ? std::string() : waits_of(*info_)));
}

}  // namespace detail

}  // namespace weft::testing
