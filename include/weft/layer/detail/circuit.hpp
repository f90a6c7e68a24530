// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// The state of a circuit_breaker.
//
// One word says the state and its generation, which grows with each change: who passes notes it,
// and what it reports counts only while it is the current one. Outcomes go into ten buckets, each a
// tenth of the window. The places of half-open carry their generation too, so that none is taken or
// given back in a later one.

#include <weft/core/failure.hpp>
#include <weft/runtime/clock.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <source_location>
#include <utility>

namespace weft {

enum class circuit_state : unsigned char { closed, open, half_open };

struct circuit_breaker_options {
    /// The part of the calls that may fail is below this; from 0 to 1.
    double failure_rate = 0.5;
    /// Fewer calls in a window say nothing.
    std::uint32_t min_calls = 20;
    /// The time over which calls are counted, in tenths.
    clock::duration window = std::chrono::seconds(10);
    /// A call that takes longer counts as failed.
    clock::duration slow = clock::duration::max();
    /// How long it is open before it lets probes pass; doubled each time that a probe fails.
    clock::duration open_for = std::chrono::seconds(5);
    clock::duration max_open_for = std::chrono::seconds(60);
    /// How many calls are tried at once in half-open, and must all succeed.
    std::uint32_t probes = 3;
    /// Called after each change, with the new state, from whatever call brought it about: several
    /// threads may call it at once. Must not throw.
    std::function<void(circuit_state)> on_change = {};
};

namespace detail {

class circuit {
  public:
    /// One call's passage, in its frame. When it ends without having been told how, the call was
    /// abandoned, and counts for nothing.
    class passage {
      public:
        passage(circuit& c, const clock& time);
        passage(const passage&) = delete;
        passage& operator=(const passage&) = delete;
        ~passage() {
            if (allowed_ && !told_) circuit_.abandoned(*this);
        }

        explicit operator bool() const noexcept { return allowed_; }
        void ended(bool failed);

      private:
        friend class circuit;
        circuit& circuit_;
        const clock& time_;
        clock::time_point began_;
        std::uint64_t word_ = 0;
        clock::duration wait_{};  // refused: how long still; 0: not known
        bool allowed_ = false;
        bool told_ = false;
    };

    explicit circuit(circuit_breaker_options options);

    [[nodiscard]] circuit_state state() const noexcept {
        return state_of(word_.load(std::memory_order_acquire));
    }
    [[nodiscard]] failure refusal(const passage& p, std::source_location where) const;
    void close();
    void open(clock::time_point now);

  private:
    static constexpr std::size_t parts = 10;
    struct part {
        std::atomic<std::int64_t> number{-1};  // of the tenth that it counts
        std::atomic<std::uint32_t> calls{0};
        std::atomic<std::uint32_t> failed{0};
    };

    static constexpr circuit_state state_of(std::uint64_t word) noexcept {
        return static_cast<circuit_state>(word & 3);
    }
    static constexpr std::uint64_t next_word(std::uint64_t word, circuit_state s) noexcept {
        return ((word >> 2) + 1) << 2 | static_cast<std::uint64_t>(s);
    }

    void admit(passage& p);
    bool take_probe(std::uint64_t word) noexcept;
    void record(const passage& p, bool failed, clock::time_point now);
    void abandoned(const passage& p) noexcept;
    bool too_many(bool failed, clock::time_point now) noexcept;
    /// Changes the state, if it is still `from`.
    bool change(std::uint64_t from, circuit_state to, clock::time_point now);

    const circuit_breaker_options options_;
    const std::int64_t part_length_;
    std::atomic<std::uint64_t> word_{0};
    std::atomic<std::int64_t> open_until_{0};
    std::atomic<std::uint64_t> probes_{0};     // generation and places left, 32 bits each
    std::atomic<std::uint32_t> succeeded_{0};  // of the probes
    std::array<part, parts> parts_;
    std::mutex changing_;
    std::uint32_t in_a_row_ = 0;  // openings since it was closed last; under the lock
};

}  // namespace detail
}  // namespace weft
