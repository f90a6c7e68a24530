// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/bytes.hpp>

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace weft::http::detail {

/// Bytes on their way out: text that is put together here (heads, chunk sizes, small contents) and
/// chunks that are only referred to, in order, gathered into one write.
class output_queue {
  public:
    /// A chunk up to this size is copied behind the text before it: cheaper than one more buffer in
    /// the write.
    static constexpr std::size_t copied = 2048;

    /// Where heads are written: append only.
    [[nodiscard]] std::string& text() noexcept { return text_; }
    void append(std::string_view piece) { text_.append(piece); }
    void append(weft::bytes chunk);
    /// The same, not empty, in the chunked coding (RFC 9112 7.1).
    void append_chunked(weft::bytes chunk);

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return text_.size() + referred_ - consumed_; }

    /// Fills `out` with what is to be written next; answers how many entries were used.
    [[nodiscard]] std::size_t gather(std::span<boost::asio::const_buffer> out) const noexcept;
    void consume(std::size_t n) noexcept;

    void swap(output_queue& other) noexcept;
    /// Gives memory back that a large message took.
    void shrink();

  private:
    struct reference {
        std::size_t after;  // how much of text_ goes before it
        weft::bytes chunk;
    };
    void clear() noexcept;

    std::string text_;
    std::vector<reference> references_;
    std::size_t referred_ = 0;  // bytes in references_
    std::size_t consumed_ = 0;  // bytes of text and references written already
};

}  // namespace weft::http::detail
