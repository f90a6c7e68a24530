// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

namespace weft {
class context_info;
}  // namespace weft

namespace weft::detail {

/// What weft last set going on one execution context: a wait that came to its end, a task that
/// began, a call that was made. Written on the context, read by a watchdog's thread while the
/// context stands still. A sequence lock of atomics: a writer that meets another (a context of
/// several threads) leaves its own out, nobody waits.
class resume_mark {
  public:
    explicit resume_mark(context_info& info) noexcept : info_(info) {}
    resume_mark(const resume_mark&) = delete;
    resume_mark& operator=(const resume_mark&) = delete;

    /// A coroutine goes on after a wait. `what` is a literal.
    void resumed(const char* what, std::source_location where) noexcept;
    /// A service was called: "GET", "/cart". Cut after 55 characters, and before a '?': a query may
    /// hold what is nobody's business. Its time is the coarse one.
    void called(std::string_view verb, std::string_view object) noexcept;

    struct seen {
        std::uint32_t number = 0;  ///< how many marks were made
        const char* what = nullptr;
        std::source_location where{};
        std::chrono::nanoseconds at{};  ///< of the context's clock, since its zero
        std::string call{};
    };
    /// The last mark; nullopt: there is none, or one is being made right now.
    [[nodiscard]] std::optional<seen> read() const;
    /// The number of the last mark.
    [[nodiscard]] std::uint32_t number() const noexcept {
        return sequence_.load(std::memory_order_acquire) / 2;
    }

  private:
    static constexpr std::size_t words = 7;

    bool begin() noexcept;
    void end() noexcept;

    context_info& info_;
    std::atomic<std::uint32_t> sequence_{0};  // odd: being written
    std::atomic<const char*> what_{nullptr};
    std::atomic<std::source_location> where_{};
    std::atomic<std::int64_t> at_{0};
    std::array<std::atomic<std::uint64_t>, words> call_{};
};

}  // namespace weft::detail
