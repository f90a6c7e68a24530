// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_guard.hpp"

#include <algorithm>
#include <cstring>

namespace weft::http::detail {

namespace {
constexpr std::size_t head_only = 9;
constexpr std::size_t priority_size = 5;
}  // namespace

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

h2_guard::h2_guard(const h2_limits& l, role r) noexcept
    : role_(r),
      max_continuations_(l.continuations),
      resets_(l.resets),
      settings_(l.settings),
      pings_(l.pings),
      ignored_(l.ignored),
      empty_(l.empty_frames),
      window_updates_(l.window_updates) {}

std::uint32_t h2_guard::number_at(std::size_t at) const noexcept {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | head_[at + i];
    return n & 0x7fffffff;
}

/// How much of a frame has to be here before it can be judged.
std::size_t h2_guard::wanted() const noexcept {
    if (head_size_ < head_only) return head_only;
    const auto type = static_cast<h2_frame>(head_[3]);
    if (type == h2_frame::priority && length() == priority_size) return head_only + priority_size;
    if (type == h2_frame::data && (head_[4] & h2_padded) && length() > 0) return head_only + 1;
    return head_only;
}

h2_guard::sighting h2_guard::inspect(std::string_view input, std::uint64_t now_ms) noexcept {
    sighting seen;
    const auto skip = [&](std::size_t n) {
        seen.used += n;
        input.remove_prefix(n);
    };
    while (!input.empty()) {
        if (payload_left_ > 0) {
            const std::size_t n = std::min(payload_left_, input.size());
            payload_left_ -= n;
            skip(n);
            if (payload_left_ == 0 && block_ends_) in_block_ = false;
            continue;
        }
        const std::size_t n = std::min(wanted() - head_size_, input.size());
        std::memcpy(head_.data() + head_size_, input.data(), n);
        head_size_ += n;
        skip(n);
        if (head_size_ < wanted()) continue;
        const auto type = static_cast<h2_frame>(head_[3]);
        payload_left_ = length() - (head_size_ - head_only);
        head_size_ = 0;
        seen.too_much = frame(now_ms);
        if (seen.too_much) return seen;
        if (payload_left_ == 0 && block_ends_) in_block_ = false;
        seen.stream = static_cast<std::int32_t>(number_at(5));
        if (type == h2_frame::data)
            seen.what = sighting::kind::data;
        else if (type == h2_frame::priority && seen.stream == 0)
            seen.what = sighting::kind::orphan_priority;
        else if (type == h2_frame::priority && length() == priority_size &&
                 number_at(9) == number_at(5))
            seen.what = sighting::kind::circular_priority;
        if (seen.what != sighting::kind::nothing) return seen;
    }
    return seen;
}

/// What the head of a frame says.
const char* h2_guard::frame(std::uint64_t now_ms) noexcept {
    const auto type = static_cast<h2_frame>(head_[3]);
    const std::uint8_t flags = head_[4];
    const bool padded = type == h2_frame::data && (flags & h2_padded) && length() > 0;
    const bool empty = padded ? head_[9] >= payload_left_ : payload_left_ == 0;
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
            if (role_ == role::client) return nullptr;
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
