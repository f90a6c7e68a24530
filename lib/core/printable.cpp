// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "utf8.hpp"
#include <weft/core/printable.hpp>

namespace weft {

std::string printable(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const detail::decoded c = detail::decode(text);
        const std::string_view whole = text.substr(0, c.length);
        text.remove_prefix(c.length);
        if (!detail::is_control(c)) {
            out += whole;
            continue;
        }
        for (const char byte : whole) {
            out += '\\';
            out += digits[static_cast<unsigned char>(byte) >> 4];
            out += digits[static_cast<unsigned char>(byte) & 15];
        }
    }
    return out;
}

}  // namespace weft
