// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/bytes.hpp>

#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <string_view>

namespace weft::http::detail {

/// What a connection has read and not yet used, in one contiguous block that its slices share.
///
///     read into prepare(n), commit(got); look at data(); consume(k) or take(k) as bytes.
///
/// The room given by prepare() stays valid until commit(), whatever is consumed or taken meanwhile:
/// a read may be pending while a handler pulls the body. The block grows only in prepare(); an idle
/// connection holds a small one.
class input_buffer {
  public:
    /// What an idle connection may keep, and what it begins with.
    static constexpr std::size_t small = 1024;
    static constexpr std::size_t smallest = 512;

    [[nodiscard]] std::string_view data() const noexcept {
        return {begin_, static_cast<std::size_t>(end_ - begin_)};
    }
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept {
        return static_cast<std::size_t>(end_ - begin_);
    }

    void consume(std::size_t n) noexcept { begin_ += n; }

    /// The first `n` bytes, consumed; they share the block, so nothing is copied.
    [[nodiscard]] weft::bytes take(std::size_t n) noexcept;

    /// What a read asks for when nothing else is known: more where a message has begun.
    [[nodiscard]] std::size_t usual_room() const noexcept {
        return empty() ? smallest / 2 : small / 2;
    }

    /// Room behind the data, at least `wanted` bytes of it. Moves the data when that makes room and
    /// no slice looks on.
    [[nodiscard]] boost::asio::mutable_buffer prepare(std::size_t wanted);
    void commit(std::size_t n) noexcept { end_ += n; }

    /// How much room there is behind the data without moving anything.
    [[nodiscard]] std::size_t room() const noexcept;

    /// Gives a large block back when nothing is in it. Not while a read is pending.
    void shrink() noexcept;

  private:
    struct block;
    void replace(std::size_t capacity);

    weft::bytes held_;  // keeps block_ alive
    block* block_ = nullptr;
    char* begin_ = nullptr;
    char* end_ = nullptr;
};

}  // namespace weft::http::detail
