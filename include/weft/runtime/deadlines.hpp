// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/core/tick_source.hpp>
#include <weft/runtime/clock.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

class context_info;

/// All deadlines of one execution context: a coarse wheel for limits, an exact heap for sleeps, one
/// timer behind both.
///
///     struct connection : deadlines::entry {           // one intrusive entry a connection
///         explicit connection(asio::any_io_executor ex)
///             : entry(ex, [](entry& e) noexcept { static_cast<connection&>(e).abort(); }) {}
///         void abort() noexcept;
///     };
///     limit.arm_after(10s);  ...  limit.arm_after(60s);  ...  limit.disarm();   // a store each
///
/// **Built so.** A limit is rounded up to a tick of 4 ms and never fires early. The wheel has eight
/// levels of 64 slots, so arming and firing cost the same for a second and for a month. An entry
/// that is re-armed to a time not before the slot it sits in only stores the new time; the slot,
/// when its turn comes, moves it on. The timer is asleep until the first slot in use, and gone when
/// nothing is armed. When very many are due at once (10,000 connections that came together), other
/// work of the context has its turn between every few.
///
/// **Threads.** In a serial context (weft::run, weft::runtime, a test) everything is called on its
/// one thread, and no lock is taken. In any other context each call may come from any thread, but
/// the calls on one entry, its destruction included, come one at a time on the entry's executor (a
/// strand, on a thread pool).
class deadlines {
  public:
    using duration = clock::duration;
    using time_point = clock::time_point;

    /// The grain of the wheel.
    static constexpr std::chrono::milliseconds tick{4};

    class entry;
    class sleeper;

    /// Made by context_info.
    deadlines(context_info& info, boost::asio::execution_context& context);
    deadlines(const deadlines&) = delete;
    deadlines& operator=(const deadlines&) = delete;
    ~deadlines();

    /// Milliseconds of the context's clock, as fresh as the last arming, firing or `refresh`: one
    /// relaxed load, for who needs the rough time very often.
    [[nodiscard]] std::uint64_t coarse_milliseconds() const noexcept {
        return static_cast<std::uint64_t>(ticks_.now().count());
    }
    /// The same time for extensions: a connection's store stamps its entries with it.
    [[nodiscard]] tick_source ticks() const noexcept { return ticks_.source(); }
    /// Reads the clock and refreshes the coarse time.
    time_point refresh() noexcept;

    /// How many entries sit in the wheel and sleeps in the heap. A disarmed entry may count until
    /// its slot's turn.
    [[nodiscard]] std::size_t size() const;

    /// The time of the next entry or sleep, exact; nullopt when nothing is armed.
    [[nodiscard]] std::optional<time_point> next_deadline();

    /// Fires, in order of time, everything due at `now` or before: each firing is posted to its
    /// executor. Sleeps come before limits of the same time. Returns how many were fired. Called by
    /// the timer, or by a virtual clock's owner.
    std::size_t advance_to(time_point now);

    /// A serial context keeps its timer when the last entry leaves, because arming it costs a
    /// system call. Its runner calls this when it wants to come to an end: from now on the timer is
    /// gone when nothing is armed.
    void release_timer();

    /// For context_info: no more timer, and all sleeping coroutines are destroyed.
    void shutdown() noexcept;

  private:
    friend class entry;
    friend class sleeper;
    class guard;  // a lock, where there may be more than one thread
    struct driver;
    struct firing;
    struct drop_firing;

    static constexpr unsigned slot_bits = 6;
    static constexpr std::size_t slots = 1u << slot_bits;
    static constexpr std::size_t levels = 8;

    struct slot_list {
        entry* first = nullptr;
        entry* last = nullptr;
    };
    struct place {
        std::size_t level;
        std::size_t index;
    };
    /// What is due, in the order in which it will be posted.
    struct due_item {
        due_item* next_due = nullptr;
        bool is_sleep = false;
    };
    struct due_list {
        due_item* first = nullptr;
        due_item** end = &first;
        std::size_t count = 0;
        void push(due_item& item) noexcept {
            item.next_due = nullptr;
            *end = &item;
            end = &item.next_due;
            ++count;
        }
    };

    static std::uint64_t tick_at_or_after(time_point t) noexcept;
    static std::uint64_t tick_at_or_before(time_point t) noexcept;
    static time_point time_of(std::uint64_t tick_number) noexcept;
    void note(time_point now) noexcept;
    void count(std::int64_t change) noexcept;

    // Called under the guard.
    [[nodiscard]] place place_of(std::uint64_t tick_number) const noexcept;
    void link(entry& e, std::uint64_t due) noexcept;
    void unlink(entry& e) noexcept;
    entry* take_slot(place p) noexcept;
    [[nodiscard]] std::optional<std::uint64_t> next_slot() const noexcept;
    bool refile(entry& e) noexcept;
    bool try_fire(entry& e) noexcept;
    void turn_slot(std::uint64_t at, due_list& due, std::size_t most);
    std::optional<std::uint64_t> next_tick() noexcept;
    void collect(time_point now, due_list& due, std::size_t most);
    void heap_insert(sleeper& s);
    void heap_remove(sleeper& s) noexcept;
    void sift(std::size_t i) noexcept;
    void wake_at(time_point t);
    void wake_for_next();
    void stop_timer_if_empty() noexcept;

    // Called without it.
    void on_timer(std::uint64_t number);
    void post_all(due_list& due);
    void arm(entry& e, std::uint64_t due);
    void forget(entry& e) noexcept;

    context_info& info_;
    boost::asio::execution_context& context_;
    mutable std::mutex mutex_;
    tick_counter ticks_;

    std::uint64_t cursor_ = 0;  // every earlier tick has had its turn
    std::size_t linked_ = 0;
    std::array<std::uint64_t, levels> used_{};  // a bit for each slot that is not empty
    std::array<std::array<slot_list, slots>, levels> wheel_{};

    std::vector<sleeper*> heap_;
    std::uint64_t sleep_order_ = 0;

    std::unique_ptr<driver> driver_;
    bool released_ = false;
    bool shut_ = false;
};

/// One limit: intrusive, pinned, re-armed any number of times. Derive from it, or hold it.
///
/// **Firing.** When the time has come the callback is posted to the entry's executor, once for each
/// arming. On that executor the entry is disarmed, armed and destroyed; from the moment one of
/// those returns, a firing that was already posted does nothing. The callback may do all three,
/// destroy the entry included.
class deadlines::entry {
  public:
    using callback = void (*)(entry&) noexcept;

    /// Fires on `executor`, whose context's wheel it uses.
    entry(boost::asio::any_io_executor executor, callback on_fire);
    /// The same, for who has looked the wheel up already:
    /// `wheel` must be that of the executor's context.
    entry(deadlines& wheel, boost::asio::any_io_executor executor, callback on_fire) noexcept;
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    /// Disarms.
    ~entry();

    /// Fires `limit` from now at the earliest; replaces the time it was armed for, if any. May
    /// throw std::bad_alloc the first time that a timer is needed, and then it is not armed.
    void arm_after(duration limit);
    /// Fires at `when` at the earliest.
    void arm_at(time_point when);
    /// Does not fire, until armed again.
    void disarm() noexcept;
    /// Disarms, and leaves the wheel at once, which disarm() does only when the slot's turn comes.
    /// Until it is armed again it may be destroyed on any thread.
    void retire() noexcept;
    /// Whether a firing is to come.
    [[nodiscard]] bool armed() const noexcept;

    [[nodiscard]] const boost::asio::any_io_executor& get_executor() const noexcept {
        return executor_;
    }

  private:
    friend class deadlines;

    // One word says all that two threads may want to know: the tick it fires at, or one of three
    // states, and how often the wheel has moved it (so that a compare-and-swap fails when the wheel
    // was in between).
    static constexpr unsigned move_bits = 16;
    static constexpr std::uint64_t never = (std::uint64_t{1} << 48) - 1;  // linked, disarmed
    static constexpr std::uint64_t idle = never - 1;                      // not linked
    static constexpr std::uint64_t fired = never - 2;  // not linked, a firing is posted
    static constexpr std::uint64_t last_tick = never - 3;
    static constexpr std::uint64_t state_of(std::uint64_t word) noexcept {
        return word >> move_bits;
    }
    static constexpr std::uint64_t make(std::uint64_t state, std::uint64_t old) noexcept {
        return (state << move_bits) | (old & ((1u << move_bits) - 1));
    }
    static constexpr std::uint64_t make_moved(std::uint64_t state, std::uint64_t old) noexcept {
        return make(state, old + 1);
    }
    static constexpr bool is_linked(std::uint64_t state) noexcept {
        return state <= last_tick || state == never;
    }

    void arm_tick(std::uint64_t due);

    std::atomic<std::uint64_t> word_{idle << move_bits};
    std::atomic<std::uint64_t> link_{
        0};  // the tick whose slot it sits in: never later than the one it fires at
    entry* previous_ = nullptr;
    entry* next_ = nullptr;
    firing* pending_ = nullptr;
    deadlines& wheel_;
    callback on_fire_;
    boost::asio::any_io_executor executor_;
};

/// One exact sleep: what sleep_for is made of. Lives in the frame of the coroutine that sleeps.
class deadlines::sleeper : private deadlines::due_item {
  public:
    using handler_type = boost::asio::any_completion_handler<void(boost::system::error_code)>;

    sleeper(deadlines& wheel, boost::asio::any_io_executor executor) noexcept
        : wheel_(wheel), executor_(std::move(executor)) {
        is_sleep = true;
    }
    sleeper(const sleeper&) = delete;
    sleeper& operator=(const sleeper&) = delete;
    ~sleeper();

    /// Posts `handler` to the executor at `when`, or with operation_aborted when its cancellation
    /// slot says so first (any cancellation type). Never calls it from inside. Once only.
    void start(time_point when, handler_type handler);

  private:
    friend class deadlines;
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    void cancel();
    void complete(boost::system::error_code ec);

    deadlines& wheel_;
    boost::asio::any_io_executor executor_;
    time_point due_{};
    std::uint64_t order_ = 0;
    std::size_t place_ = nowhere;  // in the heap
    handler_type handler_;
};

}  // namespace weft
