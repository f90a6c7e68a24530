// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_framing.hpp"

#include <weft/http/detail/chars.hpp>

#include <limits>

namespace weft::http::h1 {

namespace {

constexpr std::uint64_t bit(field f) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(f);
}

// RFC 9112 6.1. Elements are looked at one by one: empty ones are refused, because implementations
// differ in them.
reason check_transfer_encoding(const headers& h) noexcept {
    bool chunked = false, unknown = false;
    for (const field_view line : h.get_all(field::transfer_encoding)) {
        std::string_view rest = line.value;
        do {
            const bool more = rest.find(',') != std::string_view::npos;
            const std::string_view element = take_list_element(rest);
            if (more && rest.empty()) return reason::bad_transfer_encoding;  // a comma at the end
            const std::string_view coding = detail::trim(element.substr(0, element.find(';')));
            if (!detail::is_token(coding)) return reason::bad_transfer_encoding;
            if (chunked) {
                // Something follows chunked: chunked twice, or a coding over it.
                return detail::iequals(coding, "chunked") ? reason::bad_transfer_encoding
                                                          : reason::chunked_not_last;
            }
            if (detail::iequals(coding, "chunked")) {
                if (coding.size() != element.size()) return reason::bad_transfer_encoding;
                chunked = true;
            } else {
                unknown = true;
            }
        } while (!rest.empty());
    }
    if (!chunked) return reason::chunked_not_last;
    return unknown ? reason::unknown_transfer_coding : reason::none;
}

}  // namespace

reason decide_framing(version v, const headers& h, std::uint64_t repeated, framing otherwise,
                      framing& out, field& at) noexcept {
    const bool has_length = h.contains(field::content_length);
    at = field::content_length;
    if (has_length) {
        if (repeated & bit(field::content_length)) return reason::multiple_content_lengths;
        const std::string_view digits = *h.get(field::content_length);
        if (digits.empty()) return reason::bad_content_length;
        std::uint64_t n = 0;
        bool overflow = false;
        for (const char c : digits) {
            if (!detail::is(c, detail::cc_digit)) return reason::bad_content_length;
            const auto digit = static_cast<std::uint64_t>(c - '0');
            overflow = overflow || n > (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
            n = n * 10 + digit;
        }
        if (overflow) return reason::content_length_overflow;
        out = framing::sized(n);
    }
    if (h.contains(field::transfer_encoding)) {
        at = field::transfer_encoding;
        if (v < version::http_1_1) return reason::transfer_encoding_in_http_1_0;
        if (has_length) return reason::transfer_encoding_and_content_length;
        out = framing::chunked();
        return check_transfer_encoding(h);
    }
    if (!has_length) out = otherwise;
    return reason::none;
}

bool allowed_in_trailers(field f) noexcept {
    constexpr std::uint64_t forbidden =
        bit(field::transfer_encoding) | bit(field::content_length) | bit(field::host) |
        bit(field::connection) | bit(field::keep_alive) | bit(field::proxy_connection) |
        bit(field::upgrade) | bit(field::te) | bit(field::trailer) | bit(field::expect) |
        bit(field::max_forwards) | bit(field::cache_control) | bit(field::pragma) |
        bit(field::range) | bit(field::if_match) | bit(field::if_none_match) |
        bit(field::if_modified_since) | bit(field::if_unmodified_since) | bit(field::if_range) |
        bit(field::authorization) | bit(field::proxy_authorization) | bit(field::www_authenticate) |
        bit(field::proxy_authenticate) | bit(field::cookie) | bit(field::set_cookie) |
        bit(field::age) | bit(field::expires) | bit(field::date) | bit(field::location) |
        bit(field::retry_after) | bit(field::vary) | bit(field::content_encoding) |
        bit(field::content_type) | bit(field::content_range) | bit(field::forwarded) |
        bit(field::x_forwarded_for) | bit(field::via);
    return f == field::other || (forbidden & bit(f)) == 0;
}

bool parse_authority(std::string_view text, std::string_view& host,
                     std::string_view& port) noexcept {
    const auto hex = [](char c) {
        const char l = detail::lower(c);
        return detail::is(c, detail::cc_digit) || (l >= 'a' && l <= 'f');
    };
    std::size_t end = 0;
    if (!text.empty() && text[0] == '[') {
        end = text.find(']');
        if (end == std::string_view::npos) return false;
        const std::string_view inside = text.substr(1, end++ - 1);
        if (!inside.empty() && detail::lower(inside[0]) == 'v') {  // IPvFuture
            const std::size_t dot = inside.find('.');
            if (dot == std::string_view::npos || dot < 2 || dot + 1 == inside.size()) return false;
            for (const char c : inside.substr(1, dot - 1))
                if (!hex(c)) return false;
            for (const char c : inside.substr(dot + 1))
                if (c != ':' && (c == '%' || !detail::is(c, detail::cc_host))) return false;
        } else {
            if (inside.find(':') == std::string_view::npos || inside.size() < 2) return false;
            for (const char c : inside)
                if (!hex(c) && c != ':' && c != '.') return false;
        }
    } else {
        for (; end < text.size() && text[end] != ':'; ++end) {
            if (!detail::is(text[end], detail::cc_host)) return false;
            if (text[end] == '%' &&
                (text.size() - end < 3 || !hex(text[end + 1]) || !hex(text[end + 2])))
                return false;
        }
        if (end == 0) return false;
    }
    host = text.substr(0, end);
    port = {};
    if (end == text.size()) return true;
    if (text[end] != ':') return false;
    port = text.substr(end + 1);
    unsigned number = 0;
    for (const char c : port) {
        if (!detail::is(c, detail::cc_digit)) return false;
        number = number * 10 + static_cast<unsigned>(c - '0');
        if (number > 65535) return false;
    }
    return true;
}

bool keep_alive(version v, const headers& h) noexcept {
    if (!h.contains(field::connection)) return v >= version::http_1_1;
    if (h.has_token(field::connection, "close")) return false;
    return v >= version::http_1_1 || h.has_token(field::connection, "keep-alive");
}

bool wants_upgrade(version v, const headers& h) noexcept {
    return h.contains(field::upgrade) && v == version::http_1_1 &&
           h.has_token(field::connection, "upgrade") && !h.list(field::upgrade).empty();
}

expectation expectation_of(version v, const headers& h) noexcept {
    if (!h.contains(field::expect) || v < version::http_1_1) return expectation::none;
    expectation found = expectation::none;
    for (const std::string_view e : h.list(field::expect)) {
        if (!detail::iequals(e, "100-continue")) return expectation::unknown;
        found = expectation::continue_;
    }
    return found;
}

std::string_view to_string(framing::kind k) noexcept {
    switch (k) {
        case framing::kind::none:
            return "none";
        case framing::kind::length:
            return "length";
        case framing::kind::chunked:
            return "chunked";
        case framing::kind::until_close:
            return "until_close";
        case framing::kind::upgrade:
            return "upgrade";
    }
    return "?";
}

}  // namespace weft::http::h1
