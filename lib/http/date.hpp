// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/context.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// Writes an IMF-fixdate (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", 29 characters.
void write_date(char* out, std::chrono::sys_seconds when) noexcept;

/// The value of a Date field, written anew once a second. Between seconds it costs one relaxed load
/// of the coarse time.
class date_text {
  public:
    [[nodiscard]] std::string_view now(context_info& context);

  private:
    std::array<char, 29> text_;
    std::uint64_t stale_at_ = 0;  // in coarse milliseconds
};

}  // namespace weft::http::detail
