// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/observe.hpp>
#include <weft/layer/phase.hpp>
#include <weft/layer/retry.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace weft {

namespace {
constexpr counter retries{"weft.retries", "{retry}", "Attempts after the first."};
}

retry_verdict retry_transient::judge(const failure& f, bool repeatable) noexcept {
    if (f.delivered() != delivery::not_sent && !repeatable) return {};
    switch (f.kind()) {
        case failure_kind::unavailable:
        case failure_kind::timeout:
        case failure_kind::exhausted:
            return {true, f.retry_after()};
        case failure_kind::rejected:
            return {f.retry_after().has_value(), f.retry_after()};
        default:
            return {};
    }
}

namespace detail {

retry_run::retry_run(const retry_options& options, const extensions* request, context_info& info,
                     std::source_location where)
    : options_(options),
      request_(request),
      info_(info),
      where_(where),
      most_(std::max(options.attempts, 1u)) {
    if (request)
        if (const retry_attempts* own = request->get<retry_attempts>())
            most_ = std::max(own->value, 1u);
}

void retry_run::begin(const extensions* attempt) {
    ++number_;
    if (attempt) attempt->insert(attempt_number{number_}, where_);
}

std::optional<clock::duration> retry_run::wait(const retry_verdict& verdict) {
    if (number_ >= most_) {
        stopped_ = "attempts";
        return std::nullopt;
    }
    clock::duration wait = options_.backoff.delay(number_, info_.entropy());
    if (verdict.after) {
        if (*verdict.after > options_.max_retry_after) {
            stopped_ = "retry_after";
            return std::nullopt;
        }
        wait += std::max(*verdict.after, clock::duration::zero());
    }
    const clock::time_point now = info_.clock().now();
    if (request_)
        if (const deadline* d = request_->get<deadline>(); d && d->left(now) <= wait) {
            stopped_ = "deadline";
            return std::nullopt;
        }
    if (!options_.budget.spend(now)) {
        stopped_ = "budget";
        return std::nullopt;
    }
    return wait;
}

awaitable<void> retry_run::pause(clock::duration wait) {
    if (request_) retries.add(*request_);
    phase_timer waiting(request_, info_.clock(), "backoff", where_);
    co_await sleep_for(wait, where_);
}

void retry_run::give_up(const std::exception_ptr& thrown) const {
    if (number_ == 1 && stopped_.empty()) std::rethrow_exception(thrown);
    failure last = failure::from(thrown);
    last = std::move(last).with("attempts", static_cast<long long>(number_));
    if (!stopped_.empty()) last = std::move(last).with("stopped", stopped_);
    throw failure(last);
}

}  // namespace detail
}  // namespace weft

fmt::format_context::iterator fmt::formatter<weft::attempt_number>::format(
    const weft::attempt_number& n, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}", n.value);
}
