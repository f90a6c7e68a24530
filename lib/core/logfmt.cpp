// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "logfmt.hpp"

#include "utf8.hpp"

#include <cstdint>

namespace weft::detail {
namespace {

/// What may not stand between quotes as it is.
bool must_escape(const decoded& c) noexcept {
    return is_control(c) || c.code == '"' || c.code == '\\';
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
