// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "logfmt.hpp"

#include <cstddef>
#include <cstdint>

namespace weft::detail {
namespace {

struct decoded {
    std::uint32_t code;  ///< 0xfffd when it is not UTF-8
    std::size_t length;
    bool valid;
};

/// The first character of a text that is not empty: RFC 3629, no overlong forms, no surrogates.
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

/// What must not reach a terminal or a line reader as it is.
bool must_escape(const decoded& c) noexcept {
    return !c.valid || c.code < 0x20 || (c.code >= 0x7f && c.code <= 0x9f) || c.code == '"' ||
           c.code == '\\' || c.code == 0x061c || (c.code >= 0x200e && c.code <= 0x200f) ||
           (c.code >= 0x2028 && c.code <= 0x202e) || (c.code >= 0x2066 && c.code <= 0x2069) ||
           c.code == 0xfeff;
}

void append_escape(std::string& out, std::uint32_t code) {
    switch (code) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    constexpr char digits[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += digits[code >> shift & 0xfU];
}

bool is_plain(std::string_view text) noexcept {
    for (std::string_view rest = text; !rest.empty();) {
        const decoded c = decode(rest);
        if (c.code == ' ' || c.code == '=' || c.code == 0xa0 || must_escape(c)) return false;
        rest.remove_prefix(c.length);
    }
    return !text.empty();
}

}  // namespace

void append_logfmt_value(std::string& out, std::string_view text) {
    if (is_plain(text)) {
        out += text;
        return;
    }
    out += '"';
    while (!text.empty()) {
        const decoded c = decode(text);
        if (must_escape(c))
            append_escape(out, c.code);
        else
            out += text.substr(0, c.length);
        text.remove_prefix(c.length);
    }
    out += '"';
}

void append_logfmt_key(std::string& out, std::string_view key) {
    if (key.empty()) out += '_';
    while (!key.empty()) {
        const decoded c = decode(key);
        if (c.code == ' ' || c.code == '=' || c.code == 0xa0 || must_escape(c))
            out += '_';
        else
            out += key.substr(0, c.length);
        key.remove_prefix(c.length);
    }
}

}  // namespace weft::detail
