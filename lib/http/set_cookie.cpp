// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "set_cookie.hpp"

#include <weft/http/detail/chars.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace weft::http::detail {

namespace {

using namespace std::chrono;

constexpr auto longest_life = hours(24) * 400;  // RFC 6265bis 5.5

bool same(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && begins_like(a, b);
}

std::string_view trimmed(std::string_view s) noexcept {
    const auto first = s.find_first_not_of(" \t");
    if (first == s.npos) return {};
    return s.substr(first, s.find_last_not_of(" \t") - first + 1);
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Takes between `least` and `most` digits; none follow.
std::optional<int> take_number(std::string_view& text, std::size_t least, std::size_t most) {
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    if (n < least || n > most) return std::nullopt;
    int value = 0;
    std::from_chars(text.data(), text.data() + n, value);
    text.remove_prefix(n);
    return value;
}

struct date_fields {
    std::optional<int> year, month, day;
    std::optional<int> hour, minute, second;
};

/// "hh:mm:ss", one or two digits each, anything but a digit behind it.
bool read_time(std::string_view token, date_fields& d) {
    const auto h = take_number(token, 1, 2);
    if (!h || !token.starts_with(':')) return false;
    token.remove_prefix(1);
    const auto m = take_number(token, 1, 2);
    if (!m || !token.starts_with(':')) return false;
    token.remove_prefix(1);
    const auto s = take_number(token, 1, 2);
    if (!s) return false;
    d.hour = h;
    d.minute = m;
    d.second = s;
    return true;
}

bool read_month(std::string_view token, date_fields& d) {
    constexpr std::string_view names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
    for (int i = 0; i < 12; ++i)
        if (begins_like(token, names[i])) {
            d.month = i + 1;
            return true;
        }
    return false;
}

void read_token(std::string_view token, date_fields& d) {
    if (!d.hour && read_time(token, d)) return;
    if (!d.day) {
        std::string_view rest = token;
        if (const auto n = take_number(rest, 1, 2)) {
            d.day = n;
            return;
        }
    }
    if (!d.month && read_month(token, d)) return;
    if (!d.year) {
        std::string_view rest = token;
        if (const auto n = take_number(rest, 2, 4)) d.year = n;
    }
}

bool is_delimiter(char c) noexcept {
    const auto u = static_cast<unsigned char>(c);
    return u == 0x09 || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) ||
           (u >= 0x5b && u <= 0x60) || (u >= 0x7b && u <= 0x7e);
}

void read_max_age(std::string_view text, cookie::time_point now, set_cookie& c) {
    if (text.empty()) return;
    const bool negative = text.front() == '-';
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return;
    long long n = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    const seconds most = longest_life;
    if (error != std::errc()) n = most.count();
    if (negative || n == 0)
        c.expires = cookie::time_point::min();
    else
        c.expires = now + std::min(seconds(n), most);
}

struct attributes {
    std::optional<cookie::time_point> expires;
    bool has_max_age = false;
};

void read_attribute(std::string_view name, std::string_view value, cookie::time_point now,
                    set_cookie& c, attributes& seen) {
    if (value.size() > 1024) return;
    if (same(name, "expires")) {
        if (const auto t = parse_cookie_date(value))
            seen.expires = std::min(*t, now + longest_life);
    } else if (same(name, "max-age")) {
        set_cookie other;
        read_max_age(value, now, other);
        if (!other.expires) return;
        c.expires = other.expires;
        seen.has_max_age = true;
    } else if (same(name, "domain")) {
        if (value.starts_with('.')) value.remove_prefix(1);
        c.domain = std::string(value);
        for (char& one : c.domain) one = lower(one);
    } else if (same(name, "path")) {
        c.path.reset();
        if (value.starts_with('/')) c.path = std::string(value);
    } else if (same(name, "secure")) {
        c.secure = true;
    } else if (same(name, "httponly")) {
        c.http_only = true;
    } else if (same(name, "samesite")) {
        using rule = cookie::same_site_rule;
        c.same_site = same(value, "none")     ? rule::none
                      : same(value, "strict") ? rule::strict
                      : same(value, "lax")    ? rule::lax
                                              : rule::unset;
    }
}

}  // namespace

bool begins_like(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() &&
           std::equal(prefix.begin(), prefix.end(), text.begin(),
                      [](char a, char b) { return lower(a) == lower(b); });
}

std::optional<cookie::time_point> parse_cookie_date(std::string_view text) {
    date_fields d;
    while (!text.empty()) {
        std::size_t n = 0;
        while (n < text.size() && !is_delimiter(text[n])) ++n;
        if (n > 0) read_token(text.substr(0, n), d);
        text.remove_prefix(std::min(n + 1, text.size()));
    }
    if (!d.year || !d.month || !d.day || !d.hour) return std::nullopt;
    if (*d.year >= 70 && *d.year <= 99) *d.year += 1900;
    if (*d.year >= 0 && *d.year <= 69) *d.year += 2000;
    const year_month_day date(year(*d.year), month(static_cast<unsigned>(*d.month)),
                              day(static_cast<unsigned>(*d.day)));
    if (!date.ok() || *d.year < 1601 || *d.hour > 23 || *d.minute > 59 || *d.second > 59)
        return std::nullopt;
    const auto at = sys_days(date) + hours(*d.hour) + minutes(*d.minute) + seconds(*d.second);
    // What the clock cannot express is far away all the same.
    if (at >= time_point_cast<seconds>(cookie::time_point::max())) return cookie::time_point::max();
    if (at <= time_point_cast<seconds>(cookie::time_point::min())) return cookie::time_point::min();
    return cookie::time_point(at);
}

std::optional<set_cookie> parse_set_cookie(std::string_view field, cookie::time_point now) {
    const auto control = [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return (u < 0x20 && u != 0x09) || u == 0x7f;
    };
    if (std::ranges::any_of(field, control)) return std::nullopt;
    set_cookie c;
    const auto end = field.find(';');
    const std::string_view pair = field.substr(0, end);
    field = end == field.npos ? std::string_view() : field.substr(end + 1);
    const auto equals = pair.find('=');
    if (equals != pair.npos) c.name = trimmed(pair.substr(0, equals));
    c.value = trimmed(equals == pair.npos ? pair : pair.substr(equals + 1));
    if (c.name.size() + c.value.size() > 4096) return std::nullopt;
    if (c.name.empty() && c.value.empty()) return std::nullopt;
    attributes seen;
    while (!field.empty()) {
        const auto stop = field.find(';');
        const std::string_view one = field.substr(0, stop);
        field = stop == field.npos ? std::string_view() : field.substr(stop + 1);
        const auto is = one.find('=');
        read_attribute(trimmed(one.substr(0, is)),
                       is == one.npos ? std::string_view() : trimmed(one.substr(is + 1)), now, c,
                       seen);
    }
    if (!seen.has_max_age) c.expires = seen.expires;
    return c;
}

}  // namespace weft::http::detail
