// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace weft {

/// Coarse time that costs one relaxed load: the tick of a deadline wheel, seen from far away.
///
///     tick_counter wheel_ticks;                     // the wheel owns it and sets it once a turn
///     extensions facts{wheel_ticks.source()};       // a store stamps its entries with it
///     wheel_ticks.set(12ms);
///     facts.insert(peer);                           // history(): "+12ms peer ..."
///
/// A source counts a reference to the counter's cell, so it outlives the counter (and the execution
/// context) safely: it then shows the last tick. Reading is safe from any thread; `set` may be
/// called by one thread at a time.
class tick_source {
  public:
    /// Knows no time.
    tick_source() noexcept = default;
    tick_source(const tick_source& other) noexcept : cell_(other.cell_) {
        if (cell_) cell_->refs.fetch_add(1, std::memory_order_relaxed);
    }
    tick_source(tick_source&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
    tick_source& operator=(tick_source other) noexcept {
        std::swap(cell_, other.cell_);
        return *this;
    }
    ~tick_source() {
        if (cell_ && cell_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete cell_;
    }

    /// The steady clock of the execution context, in milliseconds
    /// and a few of them late; nullopt when unknown.
    [[nodiscard]] std::optional<std::chrono::milliseconds> now() const noexcept {
        if (!cell_) return std::nullopt;
        return std::chrono::milliseconds(cell_->ticks.load(std::memory_order_relaxed));
    }
    [[nodiscard]] explicit operator bool() const noexcept { return cell_ != nullptr; }
    friend bool operator==(const tick_source&, const tick_source&) noexcept = default;

  private:
    friend class tick_counter;
    friend struct tick_access;
    struct cell {
        std::atomic<std::int64_t> ticks{0};
        std::atomic<std::uint32_t> refs{1};
    };
    explicit tick_source(cell* c) noexcept : cell_(c) {}

    cell* cell_ = nullptr;
};

/// The writing end: owned by what measures time (the deadline wheel of one execution context).
class tick_counter {
  public:
    tick_counter() : source_(new tick_source::cell) {}
    tick_counter(const tick_counter&) = delete;
    tick_counter& operator=(const tick_counter&) = delete;

    /// One relaxed store.
    void set(std::chrono::milliseconds now) noexcept {
        source_.cell_->ticks.store(now.count(), std::memory_order_relaxed);
    }
    /// What was set last.
    [[nodiscard]] std::chrono::milliseconds now() const noexcept {
        return std::chrono::milliseconds(source_.cell_->ticks.load(std::memory_order_relaxed));
    }
    [[nodiscard]] tick_source source() const noexcept { return source_; }

  private:
    tick_source source_;
};

}  // namespace weft
