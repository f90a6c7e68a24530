// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_guard.hpp"

#include <algorithm>
#include <cstring>

namespace weft::http::detail {

bool h2_bucket::take(std::uint64_t now_ms) noexcept {
    if (tokens_ == 0 && extra_ == 0) {
        const std::uint64_t passed = now_ms - std::min(since_ms_, now_ms);
        // Not more than an hour counts, so that nothing overflows.
        const std::uint64_t back =
            std::min<std::uint64_t>(passed, 3'600'000) * rate_.per_second / 1000;
        if (back == 0) return false;
        tokens_ = static_cast<std::size_t>(std::min<std::uint64_t>(back, rate_.burst));
        since_ms_ = now_ms;
    } else if (tokens_ == rate_.burst) {
        since_ms_ = now_ms;
    }
    if (extra_ > 0)
        --extra_;
    else if (tokens_ > 0)
        --tokens_;
    else
        return false;
    return true;
}

h2_guard::h2_guard(const h2_limits& l) noexcept
    : max_continuations_(l.continuations),
      resets_(l.resets),
      settings_(l.settings),
      pings_(l.pings),
      ignored_(l.ignored),
      empty_(l.empty_frames),
      window_updates_(l.window_updates) {}

const char* h2_guard::inspect(std::string_view input, std::uint64_t now_ms) noexcept {
    while (!input.empty()) {
        if (payload_left_ > 0) {
            const std::size_t skipped = std::min(payload_left_, input.size());
            payload_left_ -= skipped;
            input.remove_prefix(skipped);
            if (payload_left_ == 0 && block_ends_) in_block_ = false;
            continue;
        }
        const std::size_t n = std::min(head_.size() - head_size_, input.size());
        std::memcpy(head_.data() + head_size_, input.data(), n);
        head_size_ += n;
        input.remove_prefix(n);
        if (head_size_ < head_.size()) break;
        head_size_ = 0;
        payload_left_ = std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
        if (const char* why = frame(now_ms)) return why;
        if (payload_left_ == 0 && block_ends_) in_block_ = false;
    }
    return nullptr;
}

/// What the head of a frame says.
const char* h2_guard::frame(std::uint64_t now_ms) noexcept {
    const auto type = static_cast<h2_frame>(head_[3]);
    const std::uint8_t flags = head_[4];
    const bool empty = payload_left_ == 0;
    switch (type) {
        case h2_frame::data:
            if (empty && !(flags & h2_end_stream) && !empty_.take(now_ms))
                return "too many frames without content";
            return nullptr;
        case h2_frame::headers:
            in_block_ = true;
            block_ends_ = flags & h2_end_headers;
            continuations_ = 0;
            return nullptr;
        case h2_frame::continuation:
            if (++continuations_ > max_continuations_) return "too many CONTINUATION frames";
            if (empty && !empty_.take(now_ms)) return "too many frames without content";
            block_ends_ = flags & h2_end_headers;
            return nullptr;
        case h2_frame::rst_stream:
            return resets_.take(now_ms) ? nullptr : "too many streams were reset";
        case h2_frame::settings:
            if (flags & h2_ack) return nullptr;
            return settings_.take(now_ms) ? nullptr : "too many SETTINGS frames";
        case h2_frame::ping:
            if (flags & h2_ack) return ignored_.take(now_ms) ? nullptr : "too many PING frames";
            return pings_.take(now_ms) ? nullptr : "too many PING frames";
        case h2_frame::window_update:
            return window_updates_.take(now_ms) ? nullptr : "too many WINDOW_UPDATE frames";
        case h2_frame::goaway:
        case h2_frame::push_promise:
        case h2_frame::priority:
            break;
    }
    return ignored_.take(now_ms) ? nullptr : "too many frames that say nothing";
}

}  // namespace weft::http::detail
