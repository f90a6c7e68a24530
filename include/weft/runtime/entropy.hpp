// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>

namespace weft {

/// Where all randomness comes from: one source belongs to each execution context.
///
///     auto& random = context_info::of(co_await asio::this_coro::executor).entropy();
///     auto jitter = std::chrono::milliseconds(random.below(50));
///     std::shuffle(v.begin(), v.end(), random);   // a std::uniform_random_bit_generator
///
/// In production it is `system_entropy`, fit for masks, nonces and boundaries; `testing::run`
/// installs a `seeded_entropy`, so that one seed gives one run. Not meant for long-lived keys:
/// those are the TLS library's.
class entropy {
  public:
    using result_type = std::uint64_t;

    entropy() = default;
    entropy(const entropy&) = delete;
    entropy& operator=(const entropy&) = delete;
    virtual ~entropy() = default;

    /// 64 random bits.
    virtual std::uint64_t next() noexcept = 0;

    /// A number in [0, bound), each as likely; 0 for a bound of 0.
    std::uint64_t below(std::uint64_t bound) noexcept;
    /// Fills `out` with random bytes.
    void fill(std::span<std::byte> out) noexcept;

    result_type operator()() noexcept { return next(); }
    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }
};

/// The operating system's generator, read 256 bytes at a time. Safe from several threads.
class system_entropy final : public entropy {
  public:
    std::uint64_t next() noexcept override;
    /// Drops what was read ahead; a forked child must, or it repeats its parent's numbers.
    void forget() noexcept;

  private:
    std::mutex mutex_;
    std::array<std::uint64_t, 32> ahead_;
    std::size_t left_ = 0;
};

/// The same numbers for the same seed, on every machine (xoshiro256**). One thread at a time;
/// predictable: tests only.
class seeded_entropy final : public entropy {
  public:
    explicit seeded_entropy(std::uint64_t seed) noexcept;
    std::uint64_t next() noexcept override;

  private:
    std::array<std::uint64_t, 4> state_;
};

}  // namespace weft
