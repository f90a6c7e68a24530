// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft::http::detail {

/// Which streams a peer has had, in so far as it tells what a late frame on one of them means:
/// after the peer itself has ended a stream, a frame on it breaks the rules (RFC 9113 5.1,
/// STREAM_CLOSED); after we have reset it, the frame was on its way. Of a fixed size: what is
/// forgotten is forgiven.
class h2_history {
  public:
    /// A stream begins; false when its number is not above the ones before.
    bool begins(std::int32_t id) noexcept {
        if (id <= last_) return false;
        if (id > last_ + 2) skipped_[skips_++ % skipped_.size()] = {last_, id};
        last_ = id;
        return true;
    }
    /// We reset it, or did not take it.
    void reset(std::int32_t id) noexcept {
        std::int32_t& oldest = reset_[resets_++ % reset_.size()];
        forgotten_ = std::max(forgotten_, oldest);
        oldest = id;
    }

    [[nodiscard]] std::int32_t last() const noexcept { return last_; }
    [[nodiscard]] bool was_reset(std::int32_t id) const noexcept {
        return id <= forgotten_ || std::find(reset_.begin(), reset_.end(), id) != reset_.end();
    }
    /// It never began, because a later one did.
    [[nodiscard]] bool was_skipped(std::int32_t id) const noexcept {
        return std::any_of(skipped_.begin(), skipped_.end(),
                           [&](const auto& s) { return s.first < id && id < s.second; });
    }

  private:
    std::array<std::int32_t, 64> reset_{};
    std::array<std::pair<std::int32_t, std::int32_t>, 8> skipped_{};
    std::size_t resets_ = 0;
    std::size_t skips_ = 0;
    std::int32_t forgotten_ = 0;
    std::int32_t last_ = -1;
};

}  // namespace weft::http::detail
