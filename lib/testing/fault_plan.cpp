// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "replay.hpp"
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/wait.hpp>
#include <weft/testing/fault_plan.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <iterator>
#include <map>

namespace weft::testing {

namespace asio = boost::asio;

std::string_view to_string(fault_action a) noexcept {
    switch (a) {
        case fault_action::fail:
            return "fail";
        case fault_action::delay:
            return "delay";
        case fault_action::cancel:
            return "cancel";
    }
    return "?";
}

namespace detail {

/// What is to happen in one run, and what did.
class fault_script final : public wait_hook {
  public:
    fault_script(fault_action action, std::size_t at, io::error_code error, clock::duration delay)
        : action_(action), at_(at), error_(error), delay_(delay) {}

    /// The point was reached.
    [[nodiscard]] bool struck() const noexcept { return struck_; }
    [[nodiscard]] const char* what() const noexcept { return what_; }
    [[nodiscard]] std::source_location where() const noexcept { return where_; }
    [[nodiscard]] std::size_t seen() const noexcept { return seen_; }

    awaitable<bool> disturb(awaitable<void> work);

    std::optional<failure> failed;
    bool disturbed = false;

  private:
    struct target {
        task_scope* scope;
        asio::any_io_executor executor;
    };

    void on_wait(const char* what, std::source_location where) noexcept override {
        if (!target_ || action_ != fault_action::cancel) return;
        if (reached(what, where)) cancel();
    }
    wait_fault on_operation(const char* what, std::source_location where) noexcept override {
        if (!target_) return {};
        if (action_ == fault_action::fail && std::string_view(what) == "sleep_for") return {};
        if (!reached(what, where)) return {};
        if (action_ == fault_action::fail) return {error_, {}};
        if (action_ == fault_action::delay) return {{}, delay_};
        cancel();
        return {};
    }

    bool reached(const char* what, std::source_location where) noexcept {
        if (++seen_ != at_) return false;
        struck_ = true;
        what_ = what;
        where_ = where;
        return true;
    }
    /// At the next turn: the wait has begun by then.
    void cancel() {
        asio::post(target_->executor, [alive = std::weak_ptr<target>(target_)] {
            if (const auto to = alive.lock()) to->scope->cancel();
        });
    }

    const fault_action action_;
    const std::size_t at_;
    const io::error_code error_;
    const clock::duration delay_;
    std::shared_ptr<target> target_;  // while the work runs
    std::size_t seen_ = 0;
    bool struck_ = false;
    const char* what_ = "";
    std::source_location where_;
};

awaitable<bool> fault_script::disturb(awaitable<void> work) {
    if (std::exchange(disturbed, true))
        throw failure(failure_kind::invalid_input, "a run is disturbed once");
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    // The hook stays for the rest of the run: what it holds back belongs to it.
    context_info::of(executor).waits()->set_hook(this);
    std::exception_ptr thrown;
    auto body = [&](task_scope& scope) -> awaitable<void> {
        target_ = std::make_shared<target>(target{&scope, executor});
        std::exception_ptr e;
        try {
            co_await std::move(work);
        } catch (...) {
            e = std::current_exception();
        }
        target_.reset();
        if (e) std::rethrow_exception(e);
    };
    try {
        co_await with_scope(body);
    } catch (...) {
        thrown = std::current_exception();
    }
    target_.reset();
    if (!thrown) co_return true;
    failed = failure::from(thrown);
    const bool own = action_ == fault_action::cancel && struck_;
    if (failed->kind() == failure_kind::internal)
        throw failure(failure_kind::internal, "the failure is not classified").because(*failed);
    if (failed->kind() == failure_kind::cancelled && !own)
        throw failure(failure_kind::internal, "cancelled, though nobody did").because(*failed);
    co_return false;
}

namespace {

struct single_point {
    fault_action action;
    std::size_t at;
};

std::optional<single_point> point_from_environment() {
    const auto text = environment("WEFT_FAULT");
    if (!text) return std::nullopt;
    for (const auto a : {fault_action::fail, fault_action::delay, fault_action::cancel}) {
        const std::string prefix = std::string(to_string(a)) + ":";
        if (!text->starts_with(prefix)) continue;
        std::size_t at = 0;
        const char* const end = text->data() + text->size();
        if (std::from_chars(text->data() + prefix.size(), end, at).ec == std::errc())
            return single_point{a, at};
    }
    return std::nullopt;
}

std::string place(std::source_location where) {
    std::string_view file = where.file_name();
    if (const auto slash = file.rfind('/'); slash != std::string_view::npos)
        file.remove_prefix(slash + 1);
    return file.empty() ? std::string() : fmt::format(" at {}:{}", file, where.line());
}

}  // namespace

}  // namespace detail

awaitable<bool> fault_run::disturb(awaitable<void> work) {
    return script_->disturb(std::move(work));
}

const std::optional<failure>& fault_run::failed() const noexcept { return script_->failed; }

std::size_t fault_report::total() const noexcept {
    std::size_t sum = 0;
    for (const row& r : points) sum += r.failed + r.delayed + r.cancelled;
    return sum;
}

std::string fault_report::text() const {
    std::string out;
    for (const row& r : points)
        fmt::format_to(std::back_inserter(out),
                       "  {:<24} {:>5} failed {:>5} delayed {:>5} cancelled\n", r.what, r.failed,
                       r.delayed, r.cancelled);
    fmt::format_to(std::back_inserter(out),
                   "  {} points in {} runs: {} succeeded, {} failed in a classified way\n", total(),
                   runs, succeeded, failures);
    return out;
}

fault_report fault_plan::replay_all(const body_function& body, std::source_location where) const {
    fault_report report;
    std::map<std::string, fault_report::row> points;
    const auto only = detail::point_from_environment();

    struct round {
        fault_action action;
        clock::duration delay;
    };
    std::vector<round> rounds;
    if (options_.fail) rounds.push_back({fault_action::fail, {}});
    for (const auto d : options_.delays) rounds.push_back({fault_action::delay, d});
    if (options_.cancel) rounds.push_back({fault_action::cancel, {}});

    /// True when the point was reached.
    const auto run_one = [&](const round& r, std::size_t at) {
        detail::fault_script script(r.action, at, options_.error, r.delay);
        std::exception_ptr thrown;
        std::string log;
        try {
            testing::run(
                [&]() -> awaitable<void> {
                    fault_run handle(script);
                    co_await body(handle);
                },
                options_.run, where);
            if (!script.disturbed) throw std::logic_error("the body never called disturb()");
        } catch (const std::exception& e) {
            thrown = std::current_exception();
            log = e.what();
        }
        ++report.runs;
        if (thrown) {
            const std::string what =
                script.struck() ? fmt::format("{} at point {} ({}{})", to_string(r.action), at,
                                              script.what(), detail::place(script.where()))
                                : std::string("no fault");
            throw fault_plan_broken(
                fmt::format("{}: {}\nreplay: {}", what, log,
                            detail::replay_command("WEFT_FAULT",
                                                   fmt::format("{}:{}", to_string(r.action), at))));
        }
        if (!script.struck()) return false;
        auto& row = points[script.what()];
        row.what = script.what();
        ++(r.action == fault_action::fail    ? row.failed
           : r.action == fault_action::delay ? row.delayed
                                             : row.cancelled);
        ++(script.failed ? report.failures : report.succeeded);
        return true;
    };

    for (const round& r : rounds) {
        if (only) {
            if (r.action == only->action) run_one(r, only->at);
            continue;
        }
        std::size_t at = 1;
        while (run_one(r, at))
            if (++at > options_.max_points)
                throw fault_plan_broken(fmt::format(
                    "more than {} points, and no run has passed untouched", options_.max_points));
    }
    for (auto& [name, row] : points) report.points.push_back(std::move(row));
    return report;
}

}  // namespace weft::testing
