// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "output_queue.hpp"

#include <weft/http/h1/encoder.hpp>

#include <utility>

namespace weft::http::detail {

void output_queue::append(weft::bytes chunk) {
    if (chunk.size() <= copied) {
        text_.append(chunk.view());
        return;
    }
    referred_ += chunk.size();
    references_.push_back({text_.size(), std::move(chunk)});
}

void output_queue::append_chunked(weft::bytes chunk) {
    char size[h1::max_chunk_header];
    const char* const end = h1::write_chunk_header(size, chunk.size());
    text_.append(size, static_cast<std::size_t>(end - size));
    append(std::move(chunk));
    text_.append(h1::chunk_end);
}

std::size_t output_queue::gather(std::span<boost::asio::const_buffer> out) const noexcept {
    std::size_t used = 0;
    std::size_t skip = consumed_;
    auto add = [&](const char* data, std::size_t size) {
        if (skip >= size) {
            skip -= size;
        } else if (used < out.size()) {
            out[used++] = boost::asio::const_buffer(data + skip, size - skip);
            skip = 0;
        }
    };
    std::size_t text_at = 0;
    for (const reference& r : references_) {
        add(text_.data() + text_at, r.after - text_at);
        text_at = r.after;
        add(r.chunk.data(), r.chunk.size());
    }
    add(text_.data() + text_at, text_.size() - text_at);
    return used;
}

void output_queue::consume(std::size_t n) noexcept {
    consumed_ += n;
    if (consumed_ == text_.size() + referred_) clear();
}

void output_queue::clear() noexcept {
    text_.clear();
    references_.clear();
    referred_ = consumed_ = 0;
}

void output_queue::swap(output_queue& other) noexcept {
    std::swap(text_, other.text_);
    std::swap(references_, other.references_);
    std::swap(referred_, other.referred_);
    std::swap(consumed_, other.consumed_);
}

void output_queue::shrink() {
    if (!empty()) return;
    if (text_.capacity() > copied) std::string().swap(text_);
    if (references_.capacity() > 0) std::vector<reference>().swap(references_);
}

}  // namespace weft::http::detail
