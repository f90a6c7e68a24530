// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "cache_core.hpp"
#include "failures.hpp"
#include "names.hpp"
#include <weft/core/deadline.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/race.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstdint>
#include <exception>

namespace weft::dns {

namespace asio = boost::asio;
using detail::cache_core;

namespace detail {

namespace {

/// A question on its way. Who waits hears of its end also when the context that asked ends.
class flight {
  public:
    flight(std::weak_ptr<cache_core> core, std::shared_ptr<cache_core::question> q)
        : core_(std::move(core)), question_(std::move(q)) {}
    flight(flight&&) noexcept = default;
    flight& operator=(flight&&) = delete;
    ~flight() {
        if (question_) land(std::nullopt, {});
    }

    void land(std::optional<result<answer>> outcome, clock::time_point now) {
        const auto q = std::exchange(question_, nullptr);
        if (const auto core = core_.lock())
            core->land(q, std::move(outcome), now);
        else
            q->done.set();
    }
    [[nodiscard]] cache_core::question& question() const noexcept { return *question_; }

  private:
    std::weak_ptr<cache_core> core_;
    std::shared_ptr<cache_core::question> question_;
};

/// A question that nobody waits for still keeps its event loop from running out of work.
constexpr std::chrono::seconds longest_in_background(5);

awaitable<void> fly(flight f, resolver next, bool background) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    std::optional<result<answer>> outcome;
    try {
        net::resolve_request what(f.question().about.first, f.question().about.second);
        awaitable<answer> asked = next.serve(std::move(what));
        if (background) asked = with_deadline(longest_in_background, std::move(asked));
        auto got = co_await when_any(std::move(asked), f.question().stop.wait());
        // Stopped: nobody waits, or the cache is gone.
        if (auto& value = get<0>(got)) outcome.emplace(std::move(*value));
    } catch (...) {
        outcome.emplace(failure::from(std::current_exception()));
    }
    f.land(std::move(outcome), info.clock().now());
}

}  // namespace

void cache_core::launch(const std::shared_ptr<cache_core>& core, std::shared_ptr<question> q,
                        resolver next, const asio::any_io_executor& executor) {
    const bool background = q->background;
    flight f(core, std::move(q));
    // It ends by itself; its end and all that it throws go to who waits for the question.
    asio::co_spawn(serialized(executor), fly(std::move(f), std::move(next), background),
                   [](std::exception_ptr) {});
}

}  // namespace detail

cache::cache(cache_options options) : core_(std::make_shared<cache_core>(options)) {}

void cache::clear() const { core_->clear(); }
void cache::forget(std::string_view name) const { core_->forget(name); }
cache_stats cache::stats() const { return core_->stats(); }

awaitable<answer> cache::ask(std::shared_ptr<cache_core> core, net::resolve_request what,
                             detail::asked_next next) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const auto limit = deadline_of(what);
    const cache_core::key key(detail::lower_case(what.name), what.family);
    const auto here = reinterpret_cast<std::uintptr_t>(&info);
    for (;;) {
        cache_core::plan p = core->look(key, info.clock().now(), here);
        std::optional<cache_core::seat> mine;
        if (p.wait) mine.emplace(*core, p.wait);
        if (p.ask) cache_core::launch(core, std::move(p.ask), next.copy(next.next), executor);
        if (p.now) co_return std::move(*p.now).value();
        // Another context may have stopped, or stand still; then nothing there ever ends. Counted
        // from the first who waits for it elsewhere: a row of short waits does not go on for ever.
        std::optional<clock::time_point> until;
        if (p.wait->context != here) until = *p.awaited_since + core->options.patience;
        const bool ours = limit && (!until || limit->at <= *until);
        if (ours) until = limit->at;
        std::optional<failure> late;
        try {
            if (until)
                co_await with_deadline(*until, p.wait->done.wait());
            else
                co_await p.wait->done.wait();
        } catch (...) {
            late = failure::from(std::current_exception());
        }
        if (late && late->kind() == failure_kind::timeout) {
            if (ours) throw detail::unanswered(what.name, "the name was not resolved in time");
            core->give_up(p.wait);
            continue;
        }
        if (late) throw detail::about(std::move(*late), what.name);
        if (p.wait->outcome) {
            result<answer> got = *p.wait->outcome;
            co_return std::move(got).value();
        }
    }
}

}  // namespace weft::dns
