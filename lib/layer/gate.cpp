// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/detail/gate.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <limits>

namespace weft::detail {

// Who waits is registered in free_ before it stands in the line, and who leaves takes a
// registration before it looks at the line. With W registrations that have no turn, S turns that
// wait for a taker, L turns on their way and O takers that went away while theirs was:
// -free_ = W - S - L + O as long as that is positive. A turn that finds neither a taker nor a debt
// becomes surplus; a taker looks for surplus first; a debt swallows the turn, and the place is
// free again.

struct gate::waiting_turn final : waiter {
    waiting_turn(place& p, boost::asio::any_io_executor executor, std::source_location where)
        : waiter(p.gate_, p.gate_.line_, std::move(executor), "concurrency_limit", where),
          of(p.gate_),
          mine(p) {}
    ~waiting_turn() {
        // Also when the frame is destroyed after the turn was given and before it was used.
        if (result == outcome::granted) mine.state_ = place::state::inside;
    }

    bool attempt(wait_list&) noexcept override {
        if (of.surplus_ == 0 || !of.line_.empty()) return false;
        --of.surplus_;
        result = outcome::granted;
        return true;
    }

    gate& of;
    place& mine;
};

gate::gate(std::size_t places) noexcept
    : places_(static_cast<std::int64_t>(
          std::clamp<std::size_t>(places, 1, std::numeric_limits<std::int64_t>::max() / 2))),
      free_(places_) {}

gate::place::state gate::enter(std::size_t max_waiting) noexcept {
    const auto most = static_cast<std::int64_t>(
        std::min<std::size_t>(max_waiting, std::numeric_limits<std::int64_t>::max() / 2));
    std::int64_t free = free_.load(std::memory_order_relaxed);
    do {
        if (free <= -most && free <= 0) return place::state::turned_away;
    } while (!free_.compare_exchange_weak(free, free - 1, std::memory_order_acquire,
                                          std::memory_order_relaxed));
    return free > 0 ? place::state::inside : place::state::in_line;
}

void gate::leave() noexcept {
    if (free_.fetch_add(1, std::memory_order_acq_rel) >= 0) return;
    wait_list ready;
    {
        const std::lock_guard lock(monitor);
        for (;;) {
            if (!line_.empty()) {
                line_.finish_first(waiter::outcome::granted, ready);
            } else if (owed_ > 0) {
                --owed_;
                if (free_.fetch_add(1, std::memory_order_acq_rel) < 0) continue;
            } else {
                ++surplus_;
            }
            break;
        }
    }
    ready.resume_all();
}

/// One in the line, or on its way to it, goes away without a turn.
void gate::give_up() noexcept {
    bool has_turn = false;
    {
        const std::lock_guard lock(monitor);
        std::int64_t free = free_.load(std::memory_order_relaxed);
        while (free < 0)
            if (free_.compare_exchange_weak(free, free + 1, std::memory_order_acq_rel)) return;
        // Its turn has been taken out of free_ already: it lies here, or is on its way.
        if (surplus_ > 0) {
            --surplus_;
            has_turn = true;
        } else {
            ++owed_;
        }
    }
    if (has_turn) leave();
}

awaitable<void> gate::place::wait(std::source_location where) {
    auto executor = co_await boost::asio::this_coro::executor;
    waiting_turn w(*this, std::move(executor), where);
    suspend_into<waiter> op{&w};
    co_await std::move(op);
    w.check();
}

std::size_t gate::inside() const noexcept {
    const std::int64_t free = free_.load(std::memory_order_relaxed);
    return static_cast<std::size_t>(std::clamp<std::int64_t>(places_ - free, 0, places_));
}

std::size_t gate::waiting() const noexcept {
    return static_cast<std::size_t>(
        std::max<std::int64_t>(-free_.load(std::memory_order_relaxed), 0));
}

}  // namespace weft::detail
