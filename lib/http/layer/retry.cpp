// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/retry.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace weft::http {

namespace {

std::optional<int> number(std::string_view digits) noexcept {
    int n = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-'))
        return std::nullopt;
    return n;
}

/// An IMF-fixdate (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". The two obsolete forms are not
/// sent by anybody who asks for a retry.
std::optional<std::chrono::sys_seconds> date(std::string_view s) noexcept {
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (s.size() != 29 || s.substr(3, 2) != ", " || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' ||
        s[19] != ':' || s[22] != ':' || s.substr(25) != " GMT")
        return std::nullopt;
    const auto month = std::find(months.begin(), months.end(), s.substr(8, 3));
    const auto day = number(s.substr(5, 2));
    const auto year = number(s.substr(12, 4));
    const auto hour = number(s.substr(17, 2));
    const auto minute = number(s.substr(20, 2));
    const auto second = number(s.substr(23, 2));
    if (month == months.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
    const std::chrono::year_month_day ymd(
        std::chrono::year(*year),
        std::chrono::month(static_cast<unsigned>(month - months.begin() + 1)),
        std::chrono::day(static_cast<unsigned>(*day)));
    if (!ymd.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return std::chrono::sys_days(ymd) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second);
}

}  // namespace

std::optional<clock::duration> retry_after(const response& r) noexcept {
    const auto value = r.headers().get(field::retry_after);
    if (!value || value->empty()) return std::nullopt;
    if (value->find_first_not_of("0123456789") == value->npos) {
        std::uint64_t seconds = 0;
        const auto [end, error] =
            std::from_chars(value->data(), value->data() + value->size(), seconds);
        // More than a century is for ever, whatever it says.
        constexpr std::uint64_t most = std::uint64_t{100} * 366 * 24 * 3600;
        if (error != std::errc()) seconds = most;
        return std::chrono::seconds(std::min(seconds, most));
    }
    const auto at = date(*value);
    const auto now = date(r.headers().get(field::date).value_or(""));
    if (!at || !now) return std::nullopt;
    return std::max(*at - *now, std::chrono::seconds(0));
}

retry_verdict retry_policy::on_failure(const request& r, const failure& f) const noexcept {
    return retry_transient::judge(f, any_method || r.method().idempotent());
}

retry_verdict retry_policy::on_response(const request& r, const response& answer) const noexcept {
    if (!any_method && !r.method().idempotent()) return {};
    switch (answer.status().code()) {
        case 408:
        case 429:
        case 502:
        case 503:
        case 504:
            return {true, retry_after(answer)};
        default:
            return {};
    }
}

}  // namespace weft::http
