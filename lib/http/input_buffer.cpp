// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "input_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace weft::http::detail {

struct input_buffer::block final : bytes::owner {
    static block* make(std::size_t capacity) {
        void* memory = ::operator new(sizeof(block) + capacity);
        return ::new (memory) block(capacity);
    }
    char* characters() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] bool is_shared() const noexcept { return shared(); }

    std::size_t capacity;

  private:
    explicit block(std::size_t c) noexcept : capacity(c) {}
    void dispose() noexcept override {
        this->~block();
        ::operator delete(static_cast<void*>(this));
    }
};

weft::bytes input_buffer::take(std::size_t n) noexcept {
    weft::bytes part = held_.slice(static_cast<std::size_t>(begin_ - block_->characters()), n);
    begin_ += n;
    return part;
}

std::size_t input_buffer::room() const noexcept {
    return block_ ? static_cast<std::size_t>(block_->characters() + block_->capacity - end_) : 0;
}

void input_buffer::replace(std::size_t capacity) {
    const std::size_t size = this->size();
    block* fresh = block::make(capacity);
    if (size > 0) std::memcpy(fresh->characters(), begin_, size);
    block_ = fresh;
    held_ = weft::bytes::adopt(fresh, {fresh->characters(), capacity});
    begin_ = fresh->characters();
    end_ = begin_ + size;
}

boost::asio::mutable_buffer input_buffer::prepare(std::size_t wanted) {
    if (!block_) {
        replace(std::max(smallest - sizeof(block), wanted));
    } else if (!block_->is_shared() && begin_ != block_->characters()) {
        // Nobody looks on, so the data may move to the front: free when there is none.
        if (empty()) {
            begin_ = end_ = block_->characters();
        } else if (room() < wanted) {
            const std::size_t size = this->size();
            std::memmove(block_->characters(), begin_, size);
            begin_ = block_->characters();
            end_ = begin_ + size;
        }
    }
    if (room() < wanted) {
        // What is mostly full already doubles: a long head is not copied over and over.
        const std::size_t capacity = block_->capacity;
        replace(std::max(size() > capacity / 2 ? 2 * capacity : capacity, size() + wanted));
    }
    return {end_, room()};
}

void input_buffer::shrink() noexcept {
    if (!block_ || !empty() || block_->capacity <= small) return;
    held_ = {};
    block_ = nullptr;
    begin_ = end_ = nullptr;
}

}  // namespace weft::http::detail
