// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// Set-Cookie: what is read holds no control character, keeps the limits, and is read the same when
// it is written down again; a date is one that can be written.

#include "../../lib/http/set_cookie.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace http = weft::http;
using namespace std::chrono;

namespace {

void demand(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

bool clean(std::string_view text) {
    return std::ranges::none_of(text, [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return (u < 0x20 && u != 9) || u == 0x7f;
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    constexpr http::cookie::time_point now = sys_days(2024y / January / 1);
    static_cast<void>(http::detail::parse_cookie_date(input));
    const auto c = http::detail::parse_set_cookie(input, now);
    if (!c) return 0;
    demand(clean(c->name) && clean(c->value) && clean(c->domain), "a control character");
    demand(c->name.size() + c->value.size() <= 4096, "too large");
    demand(c->name.find('=') == c->name.npos && c->value.find(';') == c->value.npos, "a separator");
    demand(!c->path || (c->path->starts_with('/') && clean(*c->path) && c->path->size() <= 1024),
           "a path that is none");
    demand(!c->expires || *c->expires <= now + hours(24) * 400, "it lives too long");
    std::string text = c->name + "=" + c->value;
    if (!c->domain.empty()) text += "; Domain=." + c->domain;
    if (c->path) text += "; Path=" + *c->path;
    if (c->secure) text += "; Secure";
    if (c->http_only) text += "; HttpOnly";
    const auto again = http::detail::parse_set_cookie(text, now);
    demand(again.has_value(), "it is not read again");
    demand(again->name == c->name && again->value == c->value && again->path == c->path &&
               again->domain == c->domain && again->secure == c->secure &&
               again->http_only == c->http_only,
           "it is read in another way");
    return 0;
}
