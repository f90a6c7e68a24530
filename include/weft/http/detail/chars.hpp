// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// What a byte may be part of; one table look-up answers all questions about it.
enum char_class : std::uint8_t {
    cc_token = 1,  ///< tchar, RFC 9110 5.6.2: methods and field names
    cc_field = 2,  ///< field-vchar, SP or HTAB, RFC 9110 5.5: field values and reason phrases
    cc_target =
        4,  ///< a visible ASCII character that may stand in a request target: no '#', no space
    cc_host =
        8,  ///< reg-name without percent-encoding triplets checked: unreserved, sub-delims, '%'
    cc_digit = 16,   ///< DIGIT
    cc_qdtext = 32,  ///< qdtext, RFC 9110 5.6.4
    cc_scheme = 64   ///< ALPHA, DIGIT, '+', '-', '.'
};

inline constexpr std::array<std::uint8_t, 256> char_classes = [] {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&](std::string_view set, std::uint8_t bits) {
        for (const char c : set) table[static_cast<unsigned char>(c)] |= bits;
    };
    for (unsigned c = 0; c < 256; ++c) {
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) table[c] |= cc_field;
        if (c > 0x20 && c < 0x7f && c != '#') table[c] |= cc_target;
        if (c == '\t' || (c >= 0x20 && c != 0x7f && c != '"' && c != '\\')) table[c] |= cc_qdtext;
        const bool digit = c >= '0' && c <= '9';
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (digit) table[c] |= cc_digit;
        if (digit || alpha) table[c] |= cc_token | cc_host | cc_scheme;
    }
    mark("!#$%&'*+-.^_`|~", cc_token);
    mark("-._~!$&'()*+,;=%", cc_host);
    mark("+-.", cc_scheme);
    return table;
}();

[[nodiscard]] constexpr bool is(char c, char_class k) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & k) != 0;
}

[[nodiscard]] constexpr bool all(std::string_view text, char_class k) noexcept {
    for (const char c : text)
        if (!is(c, k)) return false;
    return true;
}

[[nodiscard]] constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && all(text, cc_token);
}

[[nodiscard]] constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

/// Whether two texts are equal but for the case of ASCII letters.
[[nodiscard]] constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
    return true;
}

/// Without the spaces and tabs around it (OWS, RFC 9110 5.6.3).
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace weft::http::detail
