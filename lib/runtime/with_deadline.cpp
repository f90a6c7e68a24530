// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/runtime/shielded.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <fmt/format.h>

#include <memory>
#include <string>

namespace weft {

namespace asio = boost::asio;

namespace detail {

namespace {

std::string readable(clock::duration d) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
    if (ns % 1'000'000'000 == 0) return fmt::format("{} s", ns / 1'000'000'000);
    if (ns % 1'000'000 == 0 || ns >= 1'000'000'000) return fmt::format("{} ms", ns / 1'000'000);
    if (ns >= 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(ns) / 1e6);
    return fmt::format("{} us", ns / 1000);
}

}  // namespace

void limit::resolve(context_info& info) noexcept {
    const clock::time_point now = info.clock().now();
    if (!relative) {
        // Far in the past, or at the end of time: no overflow.
        length = when > now ? when - now : clock::duration::zero();
    } else {
        const bool beyond = length > clock::time_point::max() - now;
        when = beyond ? clock::time_point::max() : now + length;
    }
}

failure limit::timed_out(std::exception_ptr cause) const {
    failure f =
        length <= clock::duration::zero()
            ? failure(failure_kind::timeout, "time limit had run out before the start", where)
            : failure(failure_kind::timeout,
                      fmt::format("time limit of {} ran out", readable(length)), where);
    f = std::move(f).in(failure_domain::local);
    if (cause) f = std::move(f).because(failure::from(std::move(cause)));
    return f;
}

}  // namespace detail

/// The work under its limit. In memory of its own: the shielded_work itself is a temporary that
/// many must be able to name.
struct shielded_work::running {
    running(asio::any_io_executor executor, context_info& info, const detail::limit& l,
            awaitable<void>& work)
        : waiting(info, "shielded", l.where), one(std::move(executor), info, l, false, work) {}
    wait_scope waiting;
    detail::limited<void> one;
};

void shielded_work::start(asio::any_io_executor executor, detail::resume_handle coroutine) {
    context_info& info = context_info::of(executor);
    limit_.resolve(info);
    running_ = new running(std::move(executor), info, limit_, work_);
    running_->one.suspended(std::move(coroutine), {});
}

shielded_work::~shielded_work() {
    if (!running_) return;
    const std::unique_ptr<running> r(std::exchange(running_, nullptr));
    if (!r->one.over()) return;  // the context has gone, and the coroutine with it
    std::exception_ptr thrown;
    try {
        r->one.take(false);
    } catch (...) {
        thrown = std::current_exception();
    }
    report_(outcome_, std::move(thrown));
}

shielded_work shielded(clock::duration limit, awaitable<void> work, result<void>& outcome,
                       std::source_location where) noexcept {
    constexpr auto report = [](void* to, std::exception_ptr thrown) noexcept {
        result<void>& r = *static_cast<result<void>*>(to);
        r = thrown ? result<void>(failure::from(std::move(thrown))) : result<void>();
    };
    return shielded_work(detail::limit(limit, where), std::move(work), report, &outcome);
}

}  // namespace weft
