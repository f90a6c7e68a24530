// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/outcome.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

struct load_shed_options {
    /// A call that takes longer says that too many are inside.
    clock::duration target = std::chrono::milliseconds(100);
    /// How many may be inside at first, at least and at most.
    std::size_t initial = 50;
    std::size_t min = 5;
    std::size_t max = 10'000;
    /// What is left of the limit when a call was too slow.
    double backoff = 0.9;
};

namespace detail {

/// What all copies of a load_shed share.
class shed_state {
  public:
    explicit shed_state(const load_shed_options& options) noexcept;

    /// One call inside, or not.
    class place {
      public:
        place(shed_state& of, const extensions* ext, const clock& time);
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() {
            if (inside_) of_.leave();
        }
        explicit operator bool() const noexcept { return inside_; }
        /// How the call ended; not said of one that was cancelled.
        void ended(bool overloaded) { of_.learn(overloaded, began_, time_.now()); }

      private:
        friend class shed_state;
        shed_state& of_;
        const clock& time_;
        clock::time_point began_;
        bool inside_ = false;
        bool too_late_ = false;
    };

    [[nodiscard]] failure refusal(const place& p, std::source_location where) const;
    [[nodiscard]] std::size_t limit() const noexcept;
    [[nodiscard]] std::size_t inside() const noexcept;

  private:
    static constexpr std::int64_t unit = 1000;  // the limit is counted in thousandths

    bool enter() noexcept;
    void leave() noexcept { inside_.fetch_sub(1, std::memory_order_relaxed); }
    void learn(bool overloaded, clock::time_point began, clock::time_point now) noexcept;

    const load_shed_options options_;
    std::atomic<std::int64_t> limit_;
    std::atomic<std::int64_t> inside_{0};
    std::atomic<std::int64_t> last_cut_;
};

/// Failures that say that too much is going on.
bool says_overloaded(const std::exception_ptr& thrown) noexcept;

}  // namespace detail

/// Finds out by itself how many calls at once can be borne, and rejects the others at once, so that
/// those that are taken stay fast.
///
///     auto app = load_shed({.target = 100ms}) >> router;
///
/// Belongs at the edge of what may be overloaded, inside of logging and of what must be answered in
/// any case (a health check: hijack it outside). Unlike `concurrency_limit` it needs no number, and
/// never queues. At an HTTP server's edge http::load_shed answers 503 instead of throwing.
///
/// The limit moves as TCP's window does. As long as calls end within `target`, and at least half of
/// the limit is in use, it grows by one each time that as many calls have ended; a call that took
/// longer, or failed with timeout or exhausted, cuts it to `backoff` of what it was, once per
/// `target` at most. A call above the limit throws a failure of kind rejected, not_sent, that names
/// the limit; one whose deadline (core/deadline.hpp) has passed one of kind timeout, since nobody
/// waits for it any more.
///
/// **Sharing.** Copies share the limit, on all cores. A call costs a coroutine, two readings of the
/// clock and three atomic operations; no lock.
class load_shed : public pipeable {
  public:
    explicit load_shed(const load_shed_options& options = {},
                       std::source_location where = std::source_location::current())
        : state_(std::make_shared<detail::shed_state>(options)), where_(where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        const auto executor = co_await boost::asio::this_coro::executor;
        detail::shed_state::place place(*state_, extensions_of(request),
                                        context_info::of(executor).clock());
        if (!place) throw state_->refusal(place, where_);
        co_return co_await watched<response_of<Next, Req>>(place, std::move(request), next);
    }

    /// The limit as it is now, and how many are inside.
    [[nodiscard]] std::size_t limit() const noexcept { return state_->limit(); }
    [[nodiscard]] std::size_t in_flight() const noexcept { return state_->inside(); }

  protected:
    template <class Res, class Req, class Next>
    static awaitable<Res> watched(detail::shed_state::place& place, Req request, const Next& next) {
        std::exception_ptr thrown;
        std::optional<detail::answer_of<Res>> answer;
        try {
            if constexpr (std::is_void_v<Res>) {
                co_await next(std::move(request));
                answer.emplace();
            } else {
                answer.emplace(co_await next(std::move(request)));
            }
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown) {
            if (!detail::is_cancellation(thrown)) place.ended(detail::says_overloaded(thrown));
            std::rethrow_exception(thrown);
        }
        place.ended(false);
        co_return detail::answer_from<Res>(answer);
    }

    std::shared_ptr<detail::shed_state> state_;
    std::source_location where_;
};

}  // namespace weft
