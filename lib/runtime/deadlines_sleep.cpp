// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
// The half of deadlines that wakes up: exact sleeps, and the timer behind them and the wheel.
#include "deadlines_detail.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace weft {

namespace asio = boost::asio;

// The heap: sleeps by time, and by the order in which they began.

void deadlines::sift(std::size_t i) noexcept {
    const auto before = [](const sleeper* a, const sleeper* b) {
        return a->due_ != b->due_ ? a->due_ < b->due_ : a->order_ < b->order_;
    };
    const auto put = [this](std::size_t at, sleeper* s) {
        heap_[at] = s;
        s->place_ = at;
    };
    sleeper* const s = heap_[i];
    while (i > 0 && before(s, heap_[(i - 1) / 2])) {
        put(i, heap_[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        std::size_t child = 2 * i + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
        if (!before(heap_[child], s)) break;
        put(i, heap_[child]);
        i = child;
    }
    put(i, s);
}

void deadlines::heap_insert(sleeper& s) {
    heap_.push_back(&s);
    s.order_ = sleep_order_++;
    sift(heap_.size() - 1);
    count(1);
}

void deadlines::heap_remove(sleeper& s) noexcept {
    const std::size_t i = std::exchange(s.place_, sleeper::nowhere);
    sleeper* const last = heap_.back();
    heap_.pop_back();
    if (last != &s) {
        heap_[i] = last;
        sift(i);
    }
    count(-1);
}

namespace {

/// How many firings are posted before other work of the context has its turn.
constexpr std::size_t share = 4;

}  // namespace

// The timer: it never waits for longer than to the first thing due, and is left alone when that is
// later than it was.

void deadlines::wake_at(time_point t) {
    if (shut_ || info_.virtual_time()) return;
    if (!driver_) driver_ = std::make_unique<driver>(context_);
    driver& d = *driver_;
    if (d.waiting && d.at <= t) return;
    d.timer.expires_at(t);
    d.at = t;
    d.waiting = false;
    d.timer.async_wait([this, number = ++d.number](boost::system::error_code ec) {
        if (ec != asio::error::operation_aborted) on_timer(number);
    });
    d.waiting = true;
}

void deadlines::wake_for_next() {
    const auto slot = next_slot();
    if (!heap_.empty() && (!slot || heap_.front()->due_ <= time_of(*slot)))
        wake_at(heap_.front()->due_);
    else if (slot)
        wake_at(time_of(*slot));
}

void deadlines::stop_timer_if_empty() noexcept {
    if (linked_ != 0 || !heap_.empty() || !driver_ || !driver_->waiting) return;
    if (info_.serial() && !released_) return;
    driver_->waiting = false;
    ++driver_->number;
    driver_->timer.cancel();
}

void deadlines::on_timer(std::uint64_t number) {
    due_list due;
    {
        const guard lock(*this);
        if (shut_ || number != driver_->number) return;
        driver_->waiting = false;
        collect(refresh(), due, share);
    }
    post_all(due);
    const guard lock(*this);
    wake_for_next();
}

void deadlines::release_timer() {
    const guard lock(*this);
    released_ = true;
    stop_timer_if_empty();
}

void deadlines::shutdown() noexcept {
    {
        const guard lock(*this);
        shut_ = true;
        driver_.reset();
    }
    for (;;) {
        // A handler owns the coroutine that sleeps, and that one's frame the sleeper: destroyed
        // from outside, it goes without a trace, as Asio's own operations do. Its frame may end
        // other sleeps and entries.
        sleeper::handler_type handler;
        {
            const guard lock(*this);
            if (heap_.empty()) return;
            sleeper& s = *heap_.back();
            heap_remove(s);
            handler = std::move(s.handler_);
        }
    }
}

// One sleep.

deadlines::sleeper::~sleeper() {
    const guard lock(wheel_);
    if (place_ == nowhere) return;
    wheel_.heap_remove(*this);
    wheel_.stop_timer_if_empty();
}

void deadlines::sleeper::start(time_point when, handler_type handler) {
    handler_ = std::move(handler);
    due_ = when;
    if (when <= wheel_.refresh()) return complete({});
    if (auto slot = asio::get_associated_cancellation_slot(handler_); slot.is_connected()) {
        slot.assign([this](asio::cancellation_type type) {
            if (type != asio::cancellation_type::none) cancel();
        });
    }
    const guard lock(wheel_);
    wheel_.heap_insert(*this);
    wheel_.wake_at(when);
}

void deadlines::sleeper::cancel() {
    {
        const guard lock(wheel_);
        if (place_ == nowhere) return;  // its completion is on its way
        wheel_.heap_remove(*this);
        wheel_.stop_timer_if_empty();
    }
    complete(asio::error::operation_aborted);
}

void deadlines::sleeper::complete(boost::system::error_code ec) {
    // Once posted the coroutine may go on elsewhere, and this sleeper with it.
    const asio::any_io_executor executor = std::move(executor_);
    asio::post(executor, [handler = std::move(handler_), ec]() mutable {
        // The slot outlives the sleep; what it holds does not.
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected())
            slot.clear();
        std::move(handler)(ec);
    });
}

}  // namespace weft
