// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/customization.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/layer.hpp>
#include <weft/layer/detail/gate.hpp>
#include <weft/runtime/clock.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

namespace weft {

struct concurrency_limit_options {
    /// Calls that may be inside at once; at least 1.
    std::size_t max = 100;
    /// Calls that may wait for a place, first come first served. 0: none, the call is rejected at
    /// once.
    std::size_t max_waiting = 0;
    /// How long a call may wait. A call whose deadline (core/deadline.hpp) comes first waits only
    /// until then.
    clock::duration max_wait = std::chrono::seconds(10);
};

namespace detail {

/// What all copies of a concurrency_limit share.
class concurrency_state {
  public:
    explicit concurrency_state(const concurrency_limit_options& o) noexcept
        : options_(o), gate_(o.max) {}

    [[nodiscard]] gate& entrance() noexcept { return gate_; }
    [[nodiscard]] const gate& entrance() const noexcept { return gate_; }
    [[nodiscard]] std::size_t max_waiting() const noexcept { return options_.max_waiting; }

    /// For a place that is not inside: waits, or says at once why not. Gives the failure, and
    /// throws only when it is cancelled.
    awaitable<std::optional<failure>> admit(gate::place& place, const extensions* ext,
                                            std::source_location where);

  private:
    concurrency_limit_options options_;
    gate gate_;
};

}  // namespace detail

/// Lets so many calls be inside at once; the others wait for their turn, or are rejected.
///
///     auto db = concurrency_limit(20) >> query;                          // the 21st is rejected
///     auto api = concurrency_limit({.max = 20, .max_waiting = 200}) >> client;   // it waits
///
/// Belongs right around what bears only so much: a database, an upstream, memory; outside of
/// timeouts that should not count the waiting, inside of those that should. At an HTTP server's
/// edge http::concurrency_limit answers 503 instead of throwing.
///
/// A rejected call throws a failure of kind rejected, one that has waited too long one of kind
/// timeout; both not_sent, both naming the limit. A call is inside until it returns: of an HTTP
/// response, until its head is there. Cancelling a call that waits takes it out of the line; no
/// place is ever lost.
///
/// **Sharing.** Copies share the limit, and so do all stacks made with them, on all cores. Passing
/// costs a coroutine and two atomic operations, no lock; a lock is taken only by who waits, and by
/// who leaves while somebody waits.
class concurrency_limit : public pipeable {
  public:
    explicit concurrency_limit(concurrency_limit_options options,
                               std::source_location where = std::source_location::current())
        : state_(std::make_shared<detail::concurrency_state>(options)), where_(where) {}
    /// So many, and the others are rejected.
    explicit concurrency_limit(std::size_t max,
                               std::source_location where = std::source_location::current())
        : concurrency_limit(concurrency_limit_options{.max = max}, where) {}

    template <class Req, class Next>
    auto serve(Req request, const Next& next) const -> awaitable<response_of<Next, Req>> {
        detail::gate::place place(state_->entrance(), state_->max_waiting());
        if (!place.inside()) {
            auto refused = co_await state_->admit(place, extensions_of(request), where_);
            if (refused) throw failure(*refused);
        }
        co_return co_await next(std::move(request));
    }

    /// How many are inside now, and how many wait.
    [[nodiscard]] std::size_t in_flight() const noexcept { return state_->entrance().inside(); }
    [[nodiscard]] std::size_t waiting() const noexcept { return state_->entrance().waiting(); }

  protected:
    std::shared_ptr<detail::concurrency_state> state_;
    std::source_location where_;
};

}  // namespace weft
