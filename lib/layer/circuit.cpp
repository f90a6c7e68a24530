// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/layer/detail/circuit.hpp>
#include <weft/layer/detail/token_bucket.hpp>

#include <algorithm>

namespace weft::detail {

circuit::passage::passage(circuit& c, const clock& time)
    : circuit_(c), time_(time), began_(time.now()) {
    c.admit(*this);
}

void circuit::passage::ended(bool failed) {
    told_ = true;
    const clock::time_point now = time_.now();
    circuit_.record(*this, failed || now - began_ > circuit_.options_.slow, now);
}

circuit::circuit(circuit_breaker_options options)
    : options_(std::move(options)),
      part_length_(std::max<std::int64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(options_.window).count() /
              static_cast<std::int64_t>(parts),
          1)) {}

void circuit::admit(passage& p) {
    for (;;) {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        p.word_ = word;
        switch (state_of(word)) {
            case circuit_state::closed:
                p.allowed_ = true;
                return;
            case circuit_state::open: {
                const std::int64_t left =
                    open_until_.load(std::memory_order_acquire) - bucket_time(p.began_);
                if (left > 0) {
                    p.wait_ = std::chrono::nanoseconds(left);
                    return;
                }
                change(word, circuit_state::half_open, p.began_);
                continue;
            }
            case circuit_state::half_open:
                if (take_probe(word)) {
                    p.allowed_ = true;
                    return;
                }
                if (word_.load(std::memory_order_acquire) != word) continue;
                return;
        }
    }
}

bool circuit::take_probe(std::uint64_t word) noexcept {
    const auto generation = static_cast<std::uint32_t>(word >> 2);
    std::uint64_t probes = probes_.load(std::memory_order_acquire);
    while (static_cast<std::uint32_t>(probes >> 32) == generation &&
           static_cast<std::uint32_t>(probes) > 0)
        if (probes_.compare_exchange_weak(probes, probes - 1, std::memory_order_acq_rel))
            return true;
    return false;
}

void circuit::abandoned(const passage& p) noexcept {
    if (state_of(p.word_) != circuit_state::half_open) return;
    const auto generation = static_cast<std::uint32_t>(p.word_ >> 2);
    std::uint64_t probes = probes_.load(std::memory_order_acquire);
    while (static_cast<std::uint32_t>(probes >> 32) == generation)
        if (probes_.compare_exchange_weak(probes, probes + 1, std::memory_order_acq_rel)) return;
}

void circuit::record(const passage& p, bool failed, clock::time_point now) {
    if (word_.load(std::memory_order_acquire) != p.word_) return;  // of an earlier state
    if (state_of(p.word_) == circuit_state::closed) {
        if (too_many(failed, now)) change(p.word_, circuit_state::open, now);
    } else if (failed) {
        change(p.word_, circuit_state::open, now);
    } else if (succeeded_.fetch_add(1, std::memory_order_acq_rel) + 1 ==
               std::max(options_.probes, 1u)) {
        change(p.word_, circuit_state::closed, now);
    }
}

/// Counts one call; whether too many have failed now.
bool circuit::too_many(bool failed, clock::time_point now) noexcept {
    const std::int64_t number = bucket_time(now) / part_length_;
    part& mine = parts_[static_cast<std::size_t>(number % static_cast<std::int64_t>(parts))];
    std::int64_t seen = mine.number.load(std::memory_order_acquire);
    // The first of a new tenth empties what was counted a window ago. Others who count meanwhile
    // may be lost: a few of very many.
    if (seen < number &&
        mine.number.compare_exchange_strong(seen, number, std::memory_order_acq_rel)) {
        mine.calls.store(0, std::memory_order_relaxed);
        mine.failed.store(0, std::memory_order_relaxed);
    }
    mine.calls.fetch_add(1, std::memory_order_relaxed);
    if (!failed) return false;
    mine.failed.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t calls = 0;
    std::uint64_t bad = 0;
    for (const part& each : parts_) {
        if (each.number.load(std::memory_order_acquire) <=
            number - static_cast<std::int64_t>(parts))
            continue;
        calls += each.calls.load(std::memory_order_relaxed);
        bad += each.failed.load(std::memory_order_relaxed);
    }
    return calls >= options_.min_calls &&
           static_cast<double>(bad) >= options_.failure_rate * static_cast<double>(calls);
}

bool circuit::change(std::uint64_t from, circuit_state to, clock::time_point now) {
    {
        const std::lock_guard lock(changing_);
        if (word_.load(std::memory_order_acquire) != from) return false;
        const std::uint64_t word = next_word(from, to);
        if (to == circuit_state::open) {
            clock::duration length = std::min(options_.open_for, options_.max_open_for);
            for (std::uint32_t i = 0; i < in_a_row_ && length < options_.max_open_for; ++i)
                length = length > options_.max_open_for / 2 ? options_.max_open_for : length * 2;
            ++in_a_row_;
            open_until_.store(bucket_time(now + length), std::memory_order_release);
        } else if (to == circuit_state::half_open) {
            succeeded_.store(0, std::memory_order_relaxed);
            const std::uint64_t generation = static_cast<std::uint32_t>(word >> 2);
            probes_.store(generation << 32 | std::max(options_.probes, 1u),
                          std::memory_order_release);
        } else {
            in_a_row_ = 0;
            for (part& each : parts_) each.number.store(-1, std::memory_order_release);
        }
        word_.store(word, std::memory_order_release);
    }
    if (options_.on_change) options_.on_change(to);
    return true;
}

void circuit::close() {
    for (;;) {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        if (state_of(word) == circuit_state::closed || change(word, circuit_state::closed, {}))
            return;
    }
}

void circuit::open(clock::time_point now) {
    for (;;) {
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        if (change(word, circuit_state::open, now)) return;
    }
}

failure circuit::refusal(const passage& p, std::source_location where) const {
    failure f = state_of(p.word_) == circuit_state::open
                    ? failure(failure_kind::unavailable,
                              "the circuit is open: too many calls failed", where)
                    : failure(failure_kind::unavailable,
                              "the circuit is half-open: others are trying", where);
    f = std::move(f)
            .in(failure_domain::local)
            .with("failure_rate_percent", static_cast<long long>(options_.failure_rate * 100))
            .delivered(delivery::not_sent);
    if (p.wait_ > clock::duration::zero()) f = std::move(f).after(p.wait_);
    return f;
}

}  // namespace weft::detail
