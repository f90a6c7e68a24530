// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace weft::tls::detail {

/// Bytes on their way between a connection and OpenSSL, in one piece of memory that an idle
/// connection does not have.
class byte_queue {
  public:
    byte_queue() noexcept = default;
    byte_queue(byte_queue&& other) noexcept { swap(other); }
    byte_queue& operator=(byte_queue&& other) noexcept {
        swap(other);
        return *this;
    }

    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] const char* data() const noexcept { return memory_.get() + begin_; }
    [[nodiscard]] boost::asio::const_buffer buffer() const noexcept { return {data(), size()}; }

    /// Room behind what is there, at least `n`, good until the next call of any other function.
    /// Without memory for it: none.
    boost::asio::mutable_buffer try_prepare(std::size_t n) noexcept {
        if (space_ - end_ < n && !make_room(n)) return {};
        return {memory_.get() + end_, space_ - end_};
    }
    /// The same; throws std::bad_alloc.
    boost::asio::mutable_buffer prepare(std::size_t n) {
        if (space_ - end_ < n && !make_room(n)) throw std::bad_alloc();
        return {memory_.get() + end_, space_ - end_};
    }
    /// So many of the bytes that were prepared are there now.
    void commit(std::size_t n) noexcept { end_ += n; }

    void append(const void* data, std::size_t n) {
        std::memcpy(prepare(n).data(), data, n);
        commit(n);
    }
    std::size_t take(void* data, std::size_t n) noexcept {
        n = std::min(n, size());
        if (n > 0) std::memcpy(data, memory_.get() + begin_, n);
        consume(n);
        return n;
    }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// Gives the memory back where nothing is in it.
    void release() noexcept {
        if (!empty()) return;
        memory_.reset();
        begin_ = end_ = space_ = 0;
    }
    void clear() noexcept {
        begin_ = end_ = 0;
        release();
    }
    void swap(byte_queue& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(space_, other.space_);
    }

  private:
    bool make_room(std::size_t n) noexcept {
        const std::size_t held = size();
        if (held + n <= space_) {
            std::memmove(memory_.get(), data(), held);
        } else {
            const std::size_t space = std::max(held + n, 2 * held);
            std::unique_ptr<char[]> memory(new (std::nothrow) char[space]);
            if (!memory) return false;
            if (held > 0) std::memcpy(memory.get(), data(), held);
            memory_ = std::move(memory);
            space_ = space;
        }
        begin_ = 0;
        end_ = held;
        return true;
    }

    std::unique_ptr<char[]> memory_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t space_ = 0;
};

}  // namespace weft::tls::detail
