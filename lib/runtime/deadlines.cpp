// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "deadlines_detail.hpp"
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace weft {

namespace asio = boost::asio;

namespace {

constexpr auto tick_length = std::chrono::duration_cast<deadlines::duration>(deadlines::tick);

}  // namespace

deadlines::deadlines(context_info& info, asio::execution_context& context)
    : info_(info), context_(context) {}

deadlines::~deadlines() = default;

// Ticks count from the clock's own zero, so that converting needs no state; a time before it is
// tick 0.

std::uint64_t deadlines::tick_at_or_after(time_point t) noexcept {
    const auto d = t.time_since_epoch();
    if (d <= duration::zero()) return 0;
    return static_cast<std::uint64_t>((d - duration(1)) / tick_length) + 1;
}

std::uint64_t deadlines::tick_at_or_before(time_point t) noexcept {
    const auto d = t.time_since_epoch();
    return d <= duration::zero() ? 0 : static_cast<std::uint64_t>(d / tick_length);
}

deadlines::time_point deadlines::time_of(std::uint64_t tick_number) noexcept {
    constexpr auto last = static_cast<std::uint64_t>(duration::max() / tick_length);
    if (tick_number >= last) return time_point::max();
    return time_point(tick_length * static_cast<duration::rep>(tick_number));
}

void deadlines::note(time_point now) noexcept {
    ticks_.set(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()));
}

deadlines::time_point deadlines::refresh() noexcept {
    const time_point now = info_.clock().now();
    note(now);
    return now;
}

void deadlines::count(std::int64_t change) noexcept {
    info_.live().deadlines.fetch_add(change, std::memory_order_relaxed);
}

std::size_t deadlines::size() const {
    const guard lock(*this);
    return linked_ + heap_.size();
}

// The wheel. A tick sits at the level of the highest group of six bits in which it differs from the
// cursor, in the slot that this group names. So all that is linked lies ahead of the cursor, a
// lower level comes before a higher one, and the cursor may move to any tick before the next used
// slot without a link becoming wrong.

deadlines::place deadlines::place_of(std::uint64_t tick_number) const noexcept {
    const std::uint64_t difference = tick_number ^ cursor_;
    const std::size_t level =
        difference == 0 ? 0
                        : static_cast<std::size_t>(63 - std::countl_zero(difference)) / slot_bits;
    return {level, static_cast<std::size_t>(tick_number >> (level * slot_bits)) & (slots - 1)};
}

void deadlines::link(entry& e, std::uint64_t due) noexcept {
    const std::uint64_t at = std::max(due, cursor_);  // late already: in the slot whose turn it is
    e.link_.store(at, std::memory_order_relaxed);
    const place p = place_of(at);
    slot_list& slot = wheel_[p.level][p.index];
    e.previous_ = slot.last;
    e.next_ = nullptr;
    (slot.last ? slot.last->next_ : slot.first) = &e;
    slot.last = &e;
    used_[p.level] |= std::uint64_t{1} << p.index;
}

void deadlines::unlink(entry& e) noexcept {
    const place p = place_of(e.link_.load(std::memory_order_relaxed));
    slot_list& slot = wheel_[p.level][p.index];
    (e.previous_ ? e.previous_->next_ : slot.first) = e.next_;
    (e.next_ ? e.next_->previous_ : slot.last) = e.previous_;
    if (!slot.first) used_[p.level] &= ~(std::uint64_t{1} << p.index);
}

deadlines::entry* deadlines::take_slot(place p) noexcept {
    slot_list& slot = wheel_[p.level][p.index];
    used_[p.level] &= ~(std::uint64_t{1} << p.index);
    slot.last = nullptr;
    return std::exchange(slot.first, nullptr);
}

/// The first tick of the next used slot: nothing fires before it.
std::optional<std::uint64_t> deadlines::next_slot() const noexcept {
    for (std::size_t level = 0; level < levels; ++level) {
        if (used_[level] == 0) continue;
        const std::size_t shift = level * slot_bits;
        const std::uint64_t above = (cursor_ >> shift) & ~std::uint64_t{slots - 1};
        return (above | static_cast<std::uint64_t>(std::countr_zero(used_[level]))) << shift;
    }
    return std::nullopt;
}

/// Moves an entry that was just taken out of its slot to the slot of its time; false when it leaves
/// the wheel instead, because it was disarmed.
bool deadlines::refile(entry& e) noexcept {
    std::uint64_t word = e.word_.load(std::memory_order_acquire);
    for (;;) {
        const std::uint64_t state = entry::state_of(word);
        if (state == entry::never) {
            if (!e.word_.compare_exchange_weak(word, entry::make_moved(entry::idle, word)))
                continue;
            --linked_;
            count(-1);
            return false;
        }
        // The bound before the word: who sees the new word sees the new bound.
        const std::uint64_t bound = e.link_.load(std::memory_order_relaxed);
        e.link_.store(std::max(state, cursor_), std::memory_order_relaxed);
        if (e.word_.compare_exchange_weak(word, entry::make_moved(state, word))) {
            link(e, state);
            return true;
        }
        e.link_.store(bound, std::memory_order_relaxed);
    }
}

/// Claims an entry that was just taken out of its slot, if it is due at the cursor.
bool deadlines::try_fire(entry& e) noexcept {
    std::uint64_t word = e.word_.load(std::memory_order_acquire);
    while (entry::state_of(word) <= cursor_)
        if (e.word_.compare_exchange_weak(word, entry::make_moved(entry::fired, word))) return true;
    return false;
}

/// The turn of the used slot that begins at `at`: what is due is added to `due`, until that has
/// `most`; the rest is filed anew, or stays for the next call.
void deadlines::turn_slot(std::uint64_t at, due_list& due, std::size_t most) {
    const place p = place_of(at);
    cursor_ = at;
    if (p.level > 0) {
        for (entry* e = take_slot(p); e != nullptr;) refile(*std::exchange(e, e->next_));
        return;  // what is due at `at` is in its slot on level 0 now
    }
    slot_list& slot = wheel_[p.level][p.index];
    while (slot.first && due.count < most) {
        entry& current = *slot.first;
        unlink(current);
        if (!try_fire(current)) {
            refile(current);
            continue;
        }
        try {
            current.pending_ = new firing(current);
        } catch (...) {
            // Out of memory: one tick late is allowed, lost is not.
            current.word_.store(entry::make_moved(cursor_ + 1, current.word_.load()));
            link(current, cursor_ + 1);
            continue;
        }
        --linked_;
        count(-1);
        due.push(*current.pending_);
    }
}

/// The exact tick of the next firing. Files anew what was re-armed or disarmed in the slots it
/// looks at.
std::optional<std::uint64_t> deadlines::next_tick() noexcept {
    while (const auto at = next_slot()) {
        const place p = place_of(*at);
        for (entry* e = take_slot(p); e != nullptr;) refile(*std::exchange(e, e->next_));
        std::uint64_t first = entry::never;
        for (entry* e = wheel_[p.level][p.index].first; e != nullptr; e = e->next_)
            first = std::min(first, e->link_.load(std::memory_order_relaxed));
        if (first != entry::never) return first;
    }
    return std::nullopt;
}

/// The next `most` that are due; what is left keeps its place.
void deadlines::collect(time_point now, due_list& due, std::size_t most) {
    const std::uint64_t last = tick_at_or_before(now);
    while (due.count < most) {
        const auto slot = next_slot();
        const bool limits = slot && *slot <= last;
        if (!heap_.empty() && heap_.front()->due_ <= now &&
            (!limits || heap_.front()->due_ <= time_of(*slot))) {
            sleeper& s = *heap_.front();
            heap_remove(s);
            due.push(s);
        } else if (limits) {
            turn_slot(*slot, due, most);
        } else {
            cursor_ = std::max(cursor_, last);
            return;
        }
    }
}

std::optional<deadlines::time_point> deadlines::next_deadline() {
    const guard lock(*this);
    const auto slot = next_slot();
    if (!heap_.empty() && (!slot || heap_.front()->due_ <= time_of(*slot)))
        return heap_.front()->due_;
    const auto limit = next_tick();
    if (heap_.empty()) return limit ? std::optional(time_of(*limit)) : std::nullopt;
    const time_point sleep = heap_.front()->due_;
    return limit ? std::min(sleep, time_of(*limit)) : sleep;
}

std::size_t deadlines::advance_to(time_point now) {
    note(now);
    due_list due;
    {
        const guard lock(*this);
        collect(now, due, std::numeric_limits<std::size_t>::max());
    }
    const std::size_t fired = due.count;
    post_all(due);
    return fired;
}

/// The last owner of a firing. One that was not run (posting failed) goes back into the wheel.
struct deadlines::drop_firing {
    void operator()(firing* f) const noexcept {
        {
            const guard lock(f->owner);
            if (entry* const e = f->target) {
                deadlines& d = f->owner;
                e->pending_ = nullptr;
                const std::uint64_t state = d.shut_ ? entry::idle : d.cursor_ + 1;
                e->word_.store(entry::make_moved(state, e->word_.load()));
                if (!d.shut_) {
                    ++d.linked_;
                    d.count(1);
                    d.link(*e, state);
                }
            }
        }
        delete f;
    }
};

void deadlines::post_all(due_list& due) {
    for (due_item* item = due.first; item != nullptr;) {
        due_item& current = *std::exchange(item, item->next_due);
        if (current.is_sleep) {
            static_cast<sleeper&>(current).complete({});
            continue;
        }
        std::unique_ptr<firing, drop_firing> f(&static_cast<firing&>(current));
        const asio::any_io_executor executor = f->executor;
        try {
            asio::post(executor, [f = std::move(f)]() mutable {
                entry* e = nullptr;
                {
                    const guard lock(f->owner);
                    e = std::exchange(f->target, nullptr);
                    if (e) {
                        e->pending_ = nullptr;
                        e->word_.store(entry::make_moved(entry::idle, e->word_.load()));
                    }
                }
                f.reset();
                if (e) e->on_fire_(*e);
            });
        } catch (const std::bad_alloc&) {
            // drop_firing has linked the entry for the next tick.
        }
    }
}

void deadlines::arm(entry& e, std::uint64_t due) {
    const guard lock(*this);
    const std::uint64_t word = e.word_.load(std::memory_order_relaxed);
    const std::uint64_t state = entry::state_of(word);
    if (entry::is_linked(state)) {
        unlink(e);
    } else {
        if (e.pending_) std::exchange(e.pending_, nullptr)->target = nullptr;
        ++linked_;
        count(1);
    }
    e.word_.store(entry::make_moved(due, word), std::memory_order_release);
    link(e, due);
    try {
        wake_at(time_of(due));
    } catch (...) {
        unlink(e);
        --linked_;
        count(-1);
        e.word_.store(entry::make_moved(entry::idle, word), std::memory_order_release);
        throw;
    }
}

/// Takes the entry out of the wheel, and a posted firing its target.
void deadlines::forget(entry& e) noexcept {
    const guard lock(*this);
    const std::uint64_t word = e.word_.load(std::memory_order_relaxed);
    if (entry::is_linked(entry::state_of(word))) {
        unlink(e);
        --linked_;
        count(-1);
        stop_timer_if_empty();
    } else if (e.pending_) {
        std::exchange(e.pending_, nullptr)->target = nullptr;
    }
    e.word_.store(entry::make_moved(entry::idle, word), std::memory_order_release);
}

// One entry.

deadlines::entry::entry(deadlines& wheel, asio::any_io_executor executor, callback on_fire) noexcept
    : wheel_(wheel), on_fire_(on_fire), executor_(std::move(executor)) {}

deadlines::entry::entry(asio::any_io_executor executor, callback on_fire)
    : wheel_(context_info::of(executor).deadlines()),
      on_fire_(on_fire),
      executor_(std::move(executor)) {}

deadlines::entry::~entry() { retire(); }

void deadlines::entry::retire() noexcept {
    if (state_of(word_.load(std::memory_order_acquire)) != idle) wheel_.forget(*this);
}

void deadlines::entry::arm_after(duration limit) {
    const time_point now = wheel_.refresh();
    arm_tick(limit >= time_point::max() - now ? last_tick : tick_at_or_after(now + limit));
}

void deadlines::entry::arm_at(time_point when) { arm_tick(tick_at_or_after(when)); }

void deadlines::entry::arm_tick(std::uint64_t due) {
    // A later time than the slot's needs the word only. The wheel leaves an idle or fired entry
    // alone, and moves a linked one with a new word, so a successful exchange means that the bound
    // read after the word was the right one.
    std::uint64_t word = word_.load(std::memory_order_acquire);
    if (wheel_.info_.serial()) {
        if (is_linked(state_of(word)) && due >= link_.load(std::memory_order_relaxed)) {
            word_.store(make(due, word), std::memory_order_relaxed);
            return;
        }
    } else {
        while (is_linked(state_of(word)) && due >= link_.load(std::memory_order_acquire))
            if (word_.compare_exchange_weak(word, make(due, word), std::memory_order_acq_rel,
                                            std::memory_order_acquire))
                return;
    }
    wheel_.arm(*this, due);
}

void deadlines::entry::disarm() noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
        const std::uint64_t state = state_of(word);
        if (state == never || state == idle) return;
        if (state == fired) return wheel_.forget(*this);
        if (wheel_.info_.serial()) return word_.store(make(never, word), std::memory_order_relaxed);
        if (word_.compare_exchange_weak(word, make(never, word), std::memory_order_acq_rel,
                                        std::memory_order_acquire))
            return;
    }
}

bool deadlines::entry::armed() const noexcept {
    const std::uint64_t state = state_of(word_.load(std::memory_order_acquire));
    return state != never && state != idle;
}

}  // namespace weft
