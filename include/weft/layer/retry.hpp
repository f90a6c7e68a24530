// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/deadline.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/backoff.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/layer/retry_budget.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/sleep.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/core.h>

#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

struct retry_options {
    /// How often a call is tried at most, the first time counted.
    unsigned attempts = 3;
    /// How long it waits between two.
    weft::backoff backoff = {};
    /// A peer or limit that asks for a longer wait than this (failure::retry_after, Retry-After) is
    /// not waited for: its answer is given.
    clock::duration max_retry_after = std::chrono::seconds(30);
    /// How much all calls together may retry. Each layer has its own unless one is shared.
    retry_budget budget = retry_budget();
};

/// Which attempt it is, counted from 1: in the extensions of each attempt that a `retry` or a
/// `hedge` makes.
struct attempt_number {
    unsigned value;
    friend bool operator==(const attempt_number&, const attempt_number&) = default;
};

/// Put into a request's extensions outside of a `retry`: how often this one is tried at most. 1:
/// not again.
struct retry_attempts {
    unsigned value;
    friend bool operator==(const retry_attempts&, const retry_attempts&) = default;
};

/// What a policy says of an outcome.
struct retry_verdict {
    bool again = false;
    /// Not before this has passed: what the peer asked for.
    std::optional<clock::duration> after = {};
};

/// The policy of a retry that nobody told more: tries again what a passing fault may have caused.
///
/// That is a failure of kind unavailable, timeout or exhausted, or any that says when to come again
/// (retry_after); provided that the request was not sent, or that sending it twice does no harm,
/// which only the program knows. Responses are never tried again.
struct retry_transient {
    /// Sending a request twice does no harm, even if the peer acted on the first.
    bool repeatable = false;

    template <class Req>
    [[nodiscard]] retry_verdict on_failure(const Req&, const failure& f) const noexcept {
        return judge(f, repeatable);
    }
    /// The same for other policies, which know whether the request at hand is repeatable.
    static retry_verdict judge(const failure& f, bool repeatable) noexcept;
};

namespace detail {

/// The retries of one call, apart from its types.
class retry_run {
  public:
    /// `request` may be null. All outlive the run.
    retry_run(const retry_options& options, const extensions* request, context_info& info,
              std::source_location where);

    /// How often it may be tried at all.
    [[nodiscard]] unsigned most() const noexcept { return most_; }
    void begin(const extensions* attempt);
    /// How long to wait before the next attempt; nullopt: there is none.
    std::optional<clock::duration> wait(const retry_verdict& verdict);
    /// Tells the waiting, and notes it in the extensions.
    awaitable<void> pause(clock::duration wait);
    /// The failure of the last attempt, with what was tried.
    [[noreturn]] void give_up(const std::exception_ptr& thrown) const;

  private:
    const retry_options& options_;
    const extensions* request_;
    context_info& info_;
    std::source_location where_;
    unsigned most_;
    unsigned number_ = 0;
    std::string_view stopped_;  // why there is no further attempt
};

template <class Policy, class Req, class Res>
retry_verdict judge_response(const Policy& policy, const Req& request, const Res& response) {
    if constexpr (requires {
                      { policy.on_response(request, response) } -> std::same_as<retry_verdict>;
                  })
        return policy.on_response(request, response);
    else
        return {};
}
template <class Policy, class Req>
retry_verdict judge_failure(const Policy& policy, const Req& request, const failure& f) {
    if constexpr (requires {
                      { policy.on_failure(request, f) } -> std::same_as<retry_verdict>;
                  })
        return policy.on_failure(request, f);
    else
        return {};
}

}  // namespace detail

/// Tries a call again that failed in a way that may pass.
///
///     auto calm = retry({.attempts = 4}) >> timeout(2s) >> connector;
///     auto api = http::retry() >> http::client();          // knows methods, statuses, Retry-After
///
/// Belongs outside of the limit of a single try (timeout) and of breakers, inside of the limit of
/// the whole. Between two tries it waits: from zero to the bound of `backoff`, each as likely, on
/// top of what the failure or response asks for. It stops when the attempts are used up, the
/// budget is spent, the policy says no, the wait asked for is too long, or the request's deadline
/// would come before the next try; then the last response or failure is the call's, a failure with
/// `attempts` and why it `stopped` in its context.
///
/// A request is sent again when it can be had twice (`replay`); one that cannot is tried once. Each
/// attempt gets a copy whose extensions are a fork of the request's, with its `attempt_number`. A
/// request's own `retry_attempts` says how often that one is tried.
///
/// **Policy**: a type with `retry_verdict on_failure(const Req&, const failure&) const` and
/// `retry_verdict on_response(const Req&, const Res&) const`, either of which may be missing.
/// Cancellation is never tried again.
///
/// **Sharing.** Copies share the budget, and nothing else: two atomic words. Costs one coroutine
/// and a copy of the request; waiting and dice only when something failed.
template <class Policy = retry_transient>
class retry : public pipeable {
  public:
    explicit retry(retry_options options = {}, Policy policy = {},
                   std::source_location where = std::source_location::current())
        : options_(std::move(options)), policy_(std::move(policy)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        using Res = response_of<Next, Req>;
        const auto executor = co_await boost::asio::this_coro::executor;
        detail::retry_run run(options_, extensions_of(request), context_info::of(executor), where_);
        options_.budget.earn();
        std::optional<Req> again;
        if (run.most() > 1) again = replay(std::as_const(request));
        if (!again) co_return co_await next(std::move(request));
        for (;;) {
            run.begin(extensions_of(*again));
            std::exception_ptr thrown;
            std::optional<detail::answer_of<Res>> answer;
            try {
                if constexpr (std::is_void_v<Res>) {
                    co_await next(std::move(*again));
                    answer.emplace();
                } else {
                    answer.emplace(co_await next(std::move(*again)));
                }
            } catch (...) {
                thrown = std::current_exception();
            }
            retry_verdict verdict;
            if (thrown) {
                const auto state = co_await boost::asio::this_coro::cancellation_state;
                if (state.cancelled() != boost::asio::cancellation_type::none ||
                    detail::is_cancellation(thrown))
                    std::rethrow_exception(thrown);
                const failure why = failure::from(thrown);
                verdict = detail::judge_failure(policy_, std::as_const(request), why);
            } else if constexpr (!std::is_void_v<Res>) {
                verdict = detail::judge_response(policy_, std::as_const(request), *answer);
            }
            std::optional<clock::duration> wait;
            if (verdict.again) wait = run.wait(verdict);
            if (wait) again = replay(std::as_const(request));
            if (!wait || !again) {
                if (thrown) run.give_up(thrown);
                co_return detail::answer_from<Res>(answer);
            }
            answer.reset();  // a connection is free again before the wait
            co_await run.pause(*wait);
        }
    }

  private:
    retry_options options_;
    [[no_unique_address]] Policy policy_;
    std::source_location where_;
};

retry() -> retry<>;
retry(retry_options) -> retry<>;
template <class Policy>
retry(retry_options, Policy) -> retry<Policy>;

}  // namespace weft

template <>
struct fmt::formatter<weft::attempt_number> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::attempt_number& n,
                                         fmt::format_context& out) const;
};
