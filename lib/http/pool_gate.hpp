// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/runtime/event.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace weft::http::detail {

/// Counts who is inside, and lets one wait until nobody is. Written when a connection comes and
/// when it goes, never on the way of a request.
class pool_gate {
  public:
    /// Only once nobody enters any more.
    awaitable<void> empty() {
        awaited_.store(true);
        if (inside_.load() == 0) none_.set();
        return none_.wait();
    }
    [[nodiscard]] std::size_t inside() const noexcept { return inside_.load(); }

    void enter() noexcept { inside_.fetch_add(1); }
    void leave() {
        if (inside_.fetch_sub(1) == 1 && awaited_.load()) none_.set();
    }

  private:
    std::atomic<std::size_t> inside_{0};
    std::atomic<bool> awaited_{false};
    event none_;
};

/// Somebody who is inside of a gate; `keep` owns the gate.
class pool_pass {
  public:
    pool_pass() noexcept = default;
    pool_pass(std::shared_ptr<void> keep, pool_gate& gate) noexcept
        : keep_(std::move(keep)), gate_(&gate) {
        gate.enter();
    }
    pool_pass(pool_pass&& other) noexcept
        : keep_(std::move(other.keep_)), gate_(std::exchange(other.gate_, nullptr)) {}
    pool_pass& operator=(pool_pass&& other) noexcept {
        std::swap(keep_, other.keep_);
        std::swap(gate_, other.gate_);
        return *this;
    }
    ~pool_pass() { reset(); }

    void reset() {
        if (gate_) std::exchange(gate_, nullptr)->leave();
        keep_.reset();
    }

  private:
    std::shared_ptr<void> keep_;
    pool_gate* gate_ = nullptr;
};

}  // namespace weft::http::detail
