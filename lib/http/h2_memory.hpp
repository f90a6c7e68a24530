// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>

namespace weft::http::detail {

/// The memory of one nghttp2 session. Each stream costs it a handful of small blocks of the same
/// few sizes, so those that come back are kept for the next stream, up to a bound. Whoever owns the
/// session calls shrink() when it idles.
class h2_memory {
  public:
    h2_memory() = default;
    h2_memory(const h2_memory&) = delete;
    h2_memory& operator=(const h2_memory&) = delete;
    /// After the session.
    ~h2_memory() { shrink(); }

    /// For nghttp2, which copies it. Refers to this object.
    [[nodiscard]] nghttp2_mem functions() noexcept;

    [[nodiscard]] void* allocate(std::size_t size) noexcept;
    void release(void* memory) noexcept;
    [[nodiscard]] void* resize(void* memory, std::size_t size) noexcept;
    /// Gives back what is kept.
    void shrink() noexcept;
    /// In bytes.
    [[nodiscard]] std::size_t kept() const noexcept { return kept_; }

    static constexpr std::size_t most_kept = 64 * 1024;

  private:
    struct block;
    static constexpr std::size_t grain = 64;
    static constexpr std::size_t classes = 10;  // up to 640 bytes

    std::array<block*, classes> free_{};
    std::size_t kept_ = 0;
};

}  // namespace weft::http::detail
