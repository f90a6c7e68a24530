// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "utf8.hpp"

namespace weft::detail {

decoded decode(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) -> std::uint32_t {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
    const std::uint32_t first = at(0);
    if (first < 0x80) return {first, 1, true};
    if (first >= 0xc2 && first <= 0xdf && follows(1))
        return {(first & 0x1fU) << 6 | (at(1) & 0x3fU), 2, true};
    if ((first & 0xf0U) == 0xe0U && follows(1) && follows(2)) {
        const std::uint32_t code = (first & 0x0fU) << 12 | (at(1) & 0x3fU) << 6 | (at(2) & 0x3fU);
        if (code >= 0x800 && !(code >= 0xd800 && code <= 0xdfff)) return {code, 3, true};
    }
    if ((first & 0xf8U) == 0xf0U && follows(1) && follows(2) && follows(3)) {
        const std::uint32_t code =
            (first & 0x07U) << 18 | (at(1) & 0x3fU) << 12 | (at(2) & 0x3fU) << 6 | (at(3) & 0x3fU);
        if (code >= 0x10000 && code <= 0x10ffff) return {code, 4, true};
    }
    return {0xfffd, 1, false};
}

bool is_control(const decoded& c) noexcept {
    return !c.valid || c.code < 0x20 || (c.code >= 0x7f && c.code <= 0x9f) || c.code == 0x061c ||
           (c.code >= 0x200e && c.code <= 0x200f) || (c.code >= 0x2028 && c.code <= 0x202e) ||
           (c.code >= 0x2066 && c.code <= 0x2069) || c.code == 0xfeff;
}

}  // namespace weft::detail
