// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_chunks.hpp"

#include "output_queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::http::detail {

void h2_chunks::push(weft::bytes chunk) {
    if (chunk.empty()) return;
    if (chunk.size() < output_queue::copied) return push_copy(chunk);
    if (!tail_.empty()) close_tail();
    size_ += chunk.size();
    whole_.push_back(std::move(chunk));
}

void h2_chunks::close_tail() {
    whole_.emplace_back(std::exchange(tail_, {})).remove_prefix(std::exchange(gone_, 0));
}

void h2_chunks::push_copy(std::string_view piece) {
    // Not at each pop: much that waits may leave in small frames.
    if (gone_ > tail_.size() / 2) tail_.erase(0, std::exchange(gone_, 0));
    tail_.append(piece);
    size_ += piece.size();
}

weft::bytes h2_chunks::pop(std::size_t most) {
    if (first_ == whole_.size()) {
        if (tail_.empty()) return {};
        whole_.clear();
        first_ = 0;
        close_tail();
    }
    weft::bytes& next = whole_[first_];
    const std::size_t n = std::min(most, next.size());
    weft::bytes part = next.slice(0, n);
    size_ -= n;
    next.remove_prefix(n);
    if (next.empty() && ++first_ == whole_.size()) {
        whole_.clear();
        first_ = 0;
    }
    return part;
}

void h2_chunks::pop_copy(std::uint8_t* memory, std::size_t n) noexcept {
    size_ -= n;
    for (; n > 0 && first_ < whole_.size();) {
        weft::bytes& next = whole_[first_];
        const std::size_t part = std::min(n, next.size());
        std::memcpy(memory, next.data(), part);
        next.remove_prefix(part);
        memory += part;
        n -= part;
        if (next.empty()) ++first_;
    }
    if (first_ == whole_.size()) {
        whole_.clear();
        first_ = 0;
    }
    if (n == 0) return;
    std::memcpy(memory, tail_.data() + gone_, n);
    gone_ += n;
    if (gone_ < tail_.size()) return;
    tail_.clear();
    gone_ = 0;
}

void h2_chunks::clear() noexcept {
    whole_.clear();
    if (tail_.capacity() > output_queue::copied)
        std::string().swap(tail_);
    else
        tail_.clear();
    first_ = size_ = gone_ = 0;
}

}  // namespace weft::http::detail
