// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/buffer.hpp>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// An immutable piece of memory that keeps its owner alive: the one chunk type of weft.
///
///     bytes whole = std::string("hello world");   // takes the string over, no copy
///     bytes world = whole.slice(6);               // shares it, no copy
///     co_await body.write(world);
///
/// Copying and slicing count a reference (atomically) and never copy
/// memory. A `bytes` may be handed between threads; one object must
/// not be changed from two threads at once. Three words in size.
class bytes {
  public:
    /// What keeps the memory alive. Derive from it to let a buffer of your own be sliced; the last
    /// reference deletes it.
    class owner {
      public:
        owner() = default;
        owner(const owner&) = delete;
        owner& operator=(const owner&) = delete;

      protected:
        virtual ~owner() = default;
        /// Whether anyone but one holder refers to this
        /// memory: a buffer asks before it writes over it.
        [[nodiscard]] bool shared() const noexcept {
            return refs_.load(std::memory_order_acquire) > 1;
        }
        /// Gives the memory back. The default deletes this.
        virtual void dispose() noexcept { delete this; }

      private:
        friend class bytes;
        std::atomic<std::size_t> refs_{1};
    };

    /// Empty.
    bytes() noexcept = default;

    /// Takes a string over without copying its characters.
    bytes(std::string text)  // NOLINT(google-explicit-constructor): a string is bytes
        : bytes(from_string(std::move(text))) {}

    /// Copies `text`.
    static bytes copy(std::string_view text);

    /// Copies memory.
    static bytes copy(std::span<const std::byte> memory) {
        return copy({reinterpret_cast<const char*>(memory.data()), memory.size()});
    }

    /// Refers to memory that lives as long as the program: a string literal.
    static bytes literal(std::string_view text) noexcept { return {text, nullptr}; }

    /// Takes one reference to `o` over (a new owner has
    /// one) and shows `view`, which `o` must keep alive.
    static bytes adopt(owner* o, std::string_view view) noexcept { return {view, o}; }

    bytes(const bytes& other) noexcept
        : data_(other.data_), size_(other.size_), owner_(other.owner_) {
        if (owner_) owner_->refs_.fetch_add(1, std::memory_order_relaxed);
    }
    bytes(bytes&& other) noexcept
        : data_(std::exchange(other.data_, "")),
          size_(std::exchange(other.size_, 0)),
          owner_(std::exchange(other.owner_, nullptr)) {}
    bytes& operator=(bytes other) noexcept {
        swap(*this, other);
        return *this;
    }
    ~bytes() {
        if (owner_ && owner_->refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) owner_->dispose();
    }

    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }
    [[nodiscard]] boost::asio::const_buffer buffer() const noexcept { return {data_, size_}; }
    operator std::string_view() const noexcept {
        return view();
    }  // NOLINT(google-explicit-constructor)
    [[nodiscard]] std::string str() const { return std::string(view()); }

    /// The part from `offset`, at most `count` long; offsets past the end give an empty slice.
    [[nodiscard]] bytes slice(std::size_t offset,
                              std::size_t count = std::string_view::npos) const& noexcept {
        bytes part = *this;
        part.trim(offset, count);
        return part;
    }
    [[nodiscard]] bytes slice(std::size_t offset,
                              std::size_t count = std::string_view::npos) && noexcept {
        trim(offset, count);
        return std::move(*this);
    }

    /// Drops the first `count` bytes (all, when there are fewer).
    void remove_prefix(std::size_t count) noexcept { trim(count, std::string_view::npos); }

    friend void swap(bytes& a, bytes& b) noexcept {
        std::swap(a.data_, b.data_);
        std::swap(a.size_, b.size_);
        std::swap(a.owner_, b.owner_);
    }
    friend bool operator==(const bytes& a, std::string_view b) noexcept { return a.view() == b; }
    friend bool operator==(const bytes& a, const bytes& b) noexcept { return a.view() == b.view(); }

  private:
    bytes(std::string_view view, owner* o) noexcept
        : data_(view.data()), size_(view.size()), owner_(o) {}
    static bytes from_string(std::string&& text);

    void trim(std::size_t offset, std::size_t count) noexcept {
        if (offset > size_) offset = size_;
        data_ += offset;
        size_ = count < size_ - offset ? count : size_ - offset;
    }

    const char* data_ = "";
    std::size_t size_ = 0;
    owner* owner_ = nullptr;
};

}  // namespace weft
