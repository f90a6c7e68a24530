// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::detail {

struct decoded {
    std::uint32_t code;  ///< 0xfffd when it is not UTF-8
    std::size_t length;
    bool valid;
};

/// The first character of a text that is not empty: RFC 3629, no overlong forms, no surrogates.
[[nodiscard]] decoded decode(std::string_view text) noexcept;

/// Whether it must not reach a terminal or a line reader as it is.
[[nodiscard]] bool is_control(const decoded& c) noexcept;

}  // namespace weft::detail
