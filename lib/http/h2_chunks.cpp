// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_chunks.hpp"

#include "output_queue.hpp"

#include <algorithm>
#include <utility>

namespace weft::http::detail {

void h2_chunks::push(weft::bytes chunk) {
    if (chunk.empty()) return;
    if (chunk.size() < output_queue::copied) return push_copy(chunk);
    if (!tail_.empty()) whole_.emplace_back(std::exchange(tail_, {}));
    size_ += chunk.size();
    whole_.push_back(std::move(chunk));
}

void h2_chunks::push_copy(std::string_view piece) {
    tail_.append(piece);
    size_ += piece.size();
}

weft::bytes h2_chunks::pop(std::size_t most) {
    if (first_ == whole_.size()) {
        if (tail_.empty()) return {};
        whole_.clear();
        first_ = 0;
        whole_.emplace_back(std::exchange(tail_, {}));
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

void h2_chunks::clear() noexcept {
    whole_.clear();
    if (tail_.capacity() > output_queue::copied)
        std::string().swap(tail_);
    else
        tail_.clear();
    first_ = size_ = 0;
}

}  // namespace weft::http::detail
