// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/layer/retry.hpp>
#include <weft/layer/retry_budget.hpp>
#include <weft/runtime/channel.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/scope.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

struct hedge_options {
    /// How long an attempt may be silent before another one is sent beside it: about the time in
    /// which 95 of 100 calls are answered.
    clock::duration after = std::chrono::milliseconds(100);
    /// How many attempts at most, the first counted.
    unsigned attempts = 2;
    /// How much all calls together may be sent again; may be shared with a retry.
    retry_budget budget = retry_budget();
};

/// Every request may be sent twice: for those who know that of their service.
struct hedge_always {
    template <class Req>
    bool repeatable(const Req&) const noexcept {
        return true;
    }
};

namespace detail {

template <class Res>
struct hedge_end {
    std::optional<answer_of<Res>> answer;
    std::exception_ptr thrown;
    bool good = false;
};

/// The next attempt that ends, or nothing when that takes longer than `limit`.
template <class End>
awaitable<std::optional<std::unique_ptr<End>>> next_end(channel<std::unique_ptr<End>>& ends,
                                                        clock::duration limit,
                                                        std::source_location where) {
    std::exception_ptr thrown;
    try {
        co_return co_await with_deadline(limit, ends.receive(where), where);
    } catch (...) {
        thrown = std::current_exception();
    }
    if (failure::from(thrown).kind() != failure_kind::timeout) std::rethrow_exception(thrown);
    co_return std::nullopt;
}

}  // namespace detail

/// Sends a call a second time when the first is slow, and gives whichever answers first.
///
///     auto quick = hedge({.after = 50ms}) >> client;
///
/// Belongs around reads of replicated peers, outside of what picks a peer and of the timeout of a
/// single try. Every request may be sent twice and run twice: use it only where that does no harm;
/// http::hedge does so for safe methods only. A request that cannot be had twice (`replay`) is sent
/// once.
///
/// When an attempt answers, the others are cancelled and joined. An attempt that fails does not end
/// the call while another one runs; when all have failed, the first failure is thrown. A failure
/// before `after` has passed is the call's: trying again is `retry`'s business. Each attempt has a
/// fork of the request's extensions, with its `attempt_number`. Cancelling the call cancels all.
///
/// **Policy**: a type with `bool repeatable(const Req&) const`; its `on_response`, if it has one,
/// may say of a response that it is worth waiting for another (as in `retry`).
///
/// **Sharing.** Copies share the budget only. Costs three child coroutines and a timer a call.
template <class Policy = hedge_always>
class hedge : public pipeable {
  public:
    explicit hedge(hedge_options options = {}, Policy policy = {},
                   std::source_location where = std::source_location::current())
        : options_(std::move(options)), policy_(std::move(policy)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        using Res = response_of<Next, Req>;
        using end = detail::hedge_end<Res>;
        options_.budget.earn();
        std::optional<Req> copy;
        if (options_.attempts > 1 && policy_.repeatable(std::as_const(request)))
            copy = replay(std::as_const(request));
        if (!copy) co_return co_await next(std::move(request));
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();

        channel<std::unique_ptr<end>> ends(options_.attempts);
        std::unique_ptr<end> best;
        auto race = [&](task_scope& scope) -> awaitable<void> {
            unsigned sent = 0;
            unsigned running = 0;
            while (!best || !best->good) {
                if (copy) {
                    if (const extensions* ext = extensions_of(*copy))
                        ext->insert(attempt_number{sent + 1}, where_);
                    scope.spawn(attempt(std::move(*copy), request, next, ends), where_);
                    copy.reset();
                    ++sent;
                    ++running;
                }
                std::optional<std::unique_ptr<end>> ended;
                if (sent < options_.attempts) {
                    ended = co_await detail::next_end(ends, options_.after, where_);
                    if (!ended) {
                        if (options_.budget.spend(time.now()))
                            copy = replay(std::as_const(request));
                        if (copy) continue;
                        sent = options_.attempts;  // no more
                    }
                }
                if (!ended) ended = co_await ends.receive(where_);
                --running;
                if (!best || (*ended)->good || (best->thrown && !(*ended)->thrown))
                    best = std::move(*ended);
                if (running == 0) break;
            }
        };
        co_await with_scope(std::move(race), where_);
        if (best->thrown) std::rethrow_exception(best->thrown);
        co_return detail::answer_from<Res>(best->answer);
    }

  private:
    template <class Req, class Next, class End>
    awaitable<void> attempt(Req copy, const Req& request, const Next& next,
                            channel<std::unique_ptr<End>>& ends) const {
        auto mine = std::make_unique<End>();
        try {
            if constexpr (std::is_void_v<response_of<Next, Req>>) {
                co_await next(std::move(copy));
                mine->answer.emplace();
                mine->good = true;
            } else {
                mine->answer.emplace(co_await next(std::move(copy)));
                mine->good = !detail::judge_response(policy_, request, *mine->answer).again;
            }
        } catch (...) {
            mine->thrown = std::current_exception();
        }
        // There is room for all; when nobody asks any more it is dropped.
        static_cast<void>(ends.try_send(std::move(mine)));
    }

    hedge_options options_;
    [[no_unique_address]] Policy policy_;
    std::source_location where_;
};

hedge() -> hedge<>;
hedge(hedge_options) -> hedge<>;
template <class Policy>
hedge(hedge_options, Policy) -> hedge<Policy>;

}  // namespace weft
