// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/cookie_jar.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weft::http::detail {

/// A Set-Cookie field, read (RFC 6265bis 5.6), not yet judged.
struct set_cookie {
    std::string name;
    std::string value;
    std::string domain;               ///< in lower case, without a leading dot; "" for none
    std::optional<std::string> path;  ///< one that begins with a slash
    std::optional<cookie::time_point> expires;
    bool secure = false;
    bool http_only = false;
    cookie::same_site_rule same_site = cookie::same_site_rule::unset;
};

/// Nothing for a field that is to be ignored.
std::optional<set_cookie> parse_set_cookie(std::string_view field, cookie::time_point now);

/// RFC 6265bis 5.1.1: whatever servers write as a date.
std::optional<cookie::time_point> parse_cookie_date(std::string_view text);

/// Without regard to case.
bool begins_like(std::string_view text, std::string_view prefix) noexcept;

/// Whether cookies may be set for it by nobody: "com", "co.uk".
bool is_public_suffix(const std::string& domain);

}  // namespace weft::http::detail
