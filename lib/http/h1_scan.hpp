// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/detail/chars.hpp>
#include <weft/http/detail/line_cursor.hpp>
#include <weft/http/h1/error.hpp>

#include <bit>
#include <cstddef>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft::http::detail {

/// The first byte in [p, end) that no field value has: the CR or LF of the line's end, or another
/// control character.
inline const char* find_control(const char* p, const char* end) noexcept {
#ifdef __SSE2__
    const __m128i below = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    while (end - p >= 16) {
        const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, below), x);
        const __m128i bad =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), low), _mm_cmpeq_epi8(x, del));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(bad));
        if (mask != 0) return p + std::countr_zero(mask);
        p += 16;
    }
#endif
    while (p != end && is(*p, cc_field)) ++p;
    return p;
}

enum class scanned : unsigned char { more, field, empty, too_large, failed };

struct field_line {
    scanned what = scanned::more;
    h1::reason why = h1::reason::none;
    unsigned char byte = 0;
    std::size_t name_end = 0;     ///< where the colon stands
    std::size_t value_begin = 0;  ///< without the white space around it
    std::size_t value_end = 0;
    std::size_t next = 0;  ///< start of the next line
};

inline field_line refuse_byte(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return {scanned::failed, c == '\n' ? h1::reason::bare_lf : h1::reason::control_character, byte};
}

/// Reads one field line, or the empty line that ends a section, from where `at` stands. Refuses at
/// the first offending byte, so that the verdict does not depend on how the input is cut. `window`:
/// the section must end before this offset.
inline field_line scan_field_line(line_cursor& at, std::string_view input,
                                  std::size_t window) noexcept {
    const char* const base = input.data();
    const std::size_t stop = input.size() < window ? input.size() : window;
    const auto pause = [&](std::size_t p) {
        at.scanned = p;
        return field_line{p == window ? scanned::too_large : scanned::more};
    };
    std::size_t p = at.scanned;
    // A line ends at CR LF, and the LF lies within the window; gives more, too_large or a refusal
    // otherwise.
    const auto end_of_line = [&](scanned then, h1::reason instead) {
        if (p + 1 == window) return field_line{scanned::too_large};
        if (p + 1 == input.size()) return pause(p);
        if (base[p + 1] != '\n') return field_line{scanned::failed, h1::reason::bare_cr, '\r'};
        if (instead != h1::reason::none) return field_line{scanned::failed, instead};
        field_line line{then};
        line.next = p + 2;
        return line;
    };
    if (at.colon == 0) {
        while (p < stop && is(base[p], cc_token)) ++p;
        if (p == stop) return pause(p);
        const char c = base[p];
        if (c != ':' || p == at.line) {
            const bool first = p == at.line;
            if (c == '\r') {
                return first ? end_of_line(scanned::empty, h1::reason::none)
                             : end_of_line(scanned::failed, h1::reason::missing_colon);
            }
            if (c == ' ' || c == '\t') {
                return {scanned::failed, !first           ? h1::reason::space_before_colon
                                         : at.number == 2 ? h1::reason::leading_whitespace
                                                          : h1::reason::obs_fold};
            }
            if (!is(c, cc_field)) return refuse_byte(c);
            return {scanned::failed, h1::reason::bad_field_name, static_cast<unsigned char>(c)};
        }
        at.colon = p++;
    }
    p = static_cast<std::size_t>(find_control(base + p, base + stop) - base);
    if (p == stop) return pause(p);
    if (base[p] != '\r') return refuse_byte(base[p]);
    field_line line = end_of_line(scanned::field, h1::reason::none);
    if (line.what == scanned::field) {
        line.name_end = at.colon;
        line.value_begin = at.colon + 1;
        line.value_end = p;
        const auto space = [&](std::size_t i) { return base[i] == ' ' || base[i] == '\t'; };
        while (line.value_begin < line.value_end && space(line.value_begin)) ++line.value_begin;
        while (line.value_begin < line.value_end && space(line.value_end - 1)) --line.value_end;
    }
    return line;
}

inline void next_line(line_cursor& at, std::size_t start) noexcept {
    at.line = at.scanned = start;
    at.colon = 0;
    ++at.number;
}

}  // namespace weft::http::detail
