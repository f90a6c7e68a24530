// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::detail {

/// Chunks between two sides of different pace. Small ones are gathered: a peer that sends single
/// bytes does not make us hold a block of memory for each.
class h2_chunks {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    void push(weft::bytes chunk);
    void push_copy(std::string_view piece);
    /// The next one, at most `most` bytes of it.
    [[nodiscard]] weft::bytes pop(std::size_t most);
    /// The next `n` bytes, which are there, to `memory`.
    void pop_copy(std::uint8_t* memory, std::size_t n) noexcept;
    void clear() noexcept;

  private:
    /// Puts the tail behind what is whole.
    void close_tail();

    std::vector<weft::bytes> whole_;
    std::size_t first_ = 0;  // in whole_
    std::string tail_;       // behind whole_
    std::size_t gone_ = 0;   // of tail_: taken already
    std::size_t size_ = 0;
};

}  // namespace weft::http::detail
