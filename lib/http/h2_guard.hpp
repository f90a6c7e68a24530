// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h2_options.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// Frame types (RFC 9113 6) and the flags that are looked at here.
enum class h2_frame : std::uint8_t {
    data,
    headers,
    priority,
    rst_stream,
    settings,
    push_promise,
    ping,
    goaway,
    window_update,
    continuation
};
inline constexpr std::uint8_t h2_end_stream = 0x1;
inline constexpr std::uint8_t h2_ack = 0x1;
inline constexpr std::uint8_t h2_end_headers = 0x4;
inline constexpr std::uint8_t h2_padded = 0x8;

/// Tokens that come back with time; an empty one says no.
class h2_bucket {
  public:
    explicit h2_bucket(h2_rate r) noexcept : rate_(r), tokens_(r.burst) {}
    [[nodiscard]] bool take(std::uint64_t now_ms) noexcept;
    /// More than come back with time; not saved up without end.
    void give(std::size_t n) noexcept { extra_ = std::min(extra_ + n, most_extra * rate_.burst); }

  private:
    static constexpr std::size_t most_extra = 10;

    h2_rate rate_;
    std::size_t tokens_;
    std::size_t extra_ = 0;
    std::uint64_t since_ms_ = 0;
};

/// Looks at the heads of the frames that come in, before HTTP/2 itself does, and counts what costs
/// the peer little and us much. Whatever the library beneath checks by itself, in whichever
/// version: these limits are ours. Sans-IO: bytes and the time in, a verdict out.
class h2_guard {
  public:
    enum class role : std::uint8_t { server, client };

    /// `r`: ours. A server may end streams that its client has begun as often as it likes.
    h2_guard(const h2_limits& limits, role r) noexcept;

    /// What was seen, and how many bytes of the input were looked at for it: all, unless a frame
    /// stands there that has to be judged before the next.
    struct sighting {
        enum class kind : std::uint8_t { nothing, data, orphan_priority, circular_priority };
        kind what = kind::nothing;
        std::int32_t stream = 0;
        std::size_t used = 0;
        const char* too_much = nullptr;
    };
    /// Follows the bytes of the connection, behind the preface.
    [[nodiscard]] sighting inspect(std::string_view input, std::uint64_t now_ms) noexcept;
    /// A stream was answered that the peer has not ended: its reset costs nothing.
    void answered() noexcept { resets_.give(1); }
    /// A stream was reset by us because of what the peer did; false when that is too often.
    [[nodiscard]] bool reset(std::uint64_t now_ms) noexcept { return resets_.take(now_ms); }
    /// A DATA frame was sent: it may be answered by WINDOW_UPDATE.
    void sent_data() noexcept { window_updates_.give(10); }
    /// A header block has begun and has not come to its end; or the head of a frame, which might
    /// begin one.
    [[nodiscard]] bool in_header_block() const noexcept { return in_block_ || head_size_ > 0; }

  private:
    [[nodiscard]] std::size_t wanted() const noexcept;
    [[nodiscard]] const char* frame(std::uint64_t now_ms) noexcept;
    [[nodiscard]] std::size_t length() const noexcept {
        return std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
    }
    [[nodiscard]] std::uint32_t number_at(std::size_t at) const noexcept;

    role role_;
    std::size_t max_continuations_;
    h2_bucket resets_;
    h2_bucket settings_;
    h2_bucket pings_;
    h2_bucket ignored_;
    h2_bucket empty_;
    h2_bucket window_updates_;
    // With the payload of a PRIORITY frame, or the length of the padding of DATA.
    std::array<unsigned char, 14> head_{};
    std::size_t head_size_ = 0;     // of the frame that is coming in
    std::size_t payload_left_ = 0;  // of the same
    std::size_t continuations_ = 0;
    bool in_block_ = false;
    bool block_ends_ = false;  // with the frame that is coming in
};

}  // namespace weft::http::detail
