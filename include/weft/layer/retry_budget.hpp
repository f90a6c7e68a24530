// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/layer/detail/token_bucket.hpp>
#include <weft/runtime/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft {

struct retry_budget_options {
    /// How many retries each call earns: 0.2 is one in five.
    double ratio = 0.2;
    /// How many retries a second are allowed besides, so that a quiet client may retry too.
    std::uint64_t per_second = 10;
    /// How many earned retries may be saved up.
    std::size_t saved = 100;
};

/// How many calls may be sent more than once, all calls together: what keeps retries from tripling
/// the load of a server that is down.
///
///     retry_budget shared{{.ratio = 0.1}};
///     auto a = retry({.budget = shared}) >> client_a;
///     auto b = hedge({.budget = shared}) >> client_b;
///
/// Copies share the budget, on all cores: two words, each changed by one atomic operation.
class retry_budget {
  public:
    explicit retry_budget(const retry_budget_options& options = {});
    /// As many as anybody likes.
    static retry_budget unlimited() { return retry_budget(nullptr); }

    /// A call begins.
    void earn() const noexcept;
    /// A retry wants to begin: whether it may.
    [[nodiscard]] bool spend(clock::time_point now) const noexcept;
    /// Retries that have been earned and not spent.
    [[nodiscard]] double saved() const noexcept;

  private:
    struct state;
    explicit retry_budget(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}
    std::shared_ptr<state> state_;
};

}  // namespace weft
