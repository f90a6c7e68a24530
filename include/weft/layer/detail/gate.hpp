// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// So many inside at once; the others wait in a line, or are turned away. What concurrency_limit is
// made of.
//
// Passing takes one atomic operation on the way in and one on the way out, and no lock: `free_`
// counts the places that are left, and below zero those who wait. Only who has to wait, and who
// leaves while somebody waits, takes the lock of the line. Nobody overtakes the line: while it is
// not empty there is no free place.

#include <weft/core/awaitable.hpp>
#include <weft/core/config.hpp>
#include <weft/runtime/detail/wait_list.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>

namespace weft::detail {

class gate final : private waitable {
  public:
    /// One call's place: inside, in the line, or turned away. Lives in the call's frame, and gives
    /// back what it has when it ends, however the call ends.
    class place {
      public:
        place(gate& of, std::size_t max_waiting) noexcept
            : gate_(of), state_(of.enter(max_waiting)) {}
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() {
            if (state_ == state::inside)
                gate_.leave();
            else if (state_ == state::in_line)
                gate_.give_up();
        }

        [[nodiscard]] bool inside() const noexcept { return state_ == state::inside; }
        [[nodiscard]] bool turned_away() const noexcept { return state_ == state::turned_away; }

        /// For one in the line: waits for its turn, and is inside then. Throws operation_aborted
        /// when it is cancelled.
        awaitable<void> wait(std::source_location where);

      private:
        friend class gate;
        enum class state : unsigned char { inside, in_line, turned_away };
        gate& gate_;
        state state_;
    };

    explicit gate(std::size_t places) noexcept;
    ~gate() { abandon(*this, line_); }

    /// A snapshot, for counts and tests.
    [[nodiscard]] std::size_t inside() const noexcept;
    [[nodiscard]] std::size_t waiting() const noexcept;

  private:
    struct waiting_turn;

    place::state enter(std::size_t max_waiting) noexcept;
    void leave() noexcept;
    void give_up() noexcept;

    const std::int64_t places_;
    std::atomic<std::int64_t> free_;
    wait_list line_;
    // Under the lock. A turn may be given before its taker has reached the line (surplus), and a
    // taker may go away while its turn is being brought (owed).
    std::size_t surplus_ = 0;
    std::size_t owed_ = 0;
};

}  // namespace weft::detail
