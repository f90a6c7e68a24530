// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/detail/chars.hpp>
#include <weft/http/field.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// Spellings, in the order of the enumeration.
inline constexpr std::array<std::string_view, 61> field_names{"",
                                                              "Accept",
                                                              "Accept-Encoding",
                                                              "Accept-Language",
                                                              "Accept-Ranges",
                                                              "Age",
                                                              "Allow",
                                                              "Authorization",
                                                              "Cache-Control",
                                                              "Connection",
                                                              "Content-Disposition",
                                                              "Content-Encoding",
                                                              "Content-Language",
                                                              "Content-Length",
                                                              "Content-Location",
                                                              "Content-Range",
                                                              "Content-Type",
                                                              "Cookie",
                                                              "Date",
                                                              "ETag",
                                                              "Expect",
                                                              "Expires",
                                                              "Forwarded",
                                                              "Host",
                                                              "If-Match",
                                                              "If-Modified-Since",
                                                              "If-None-Match",
                                                              "If-Range",
                                                              "If-Unmodified-Since",
                                                              "Keep-Alive",
                                                              "Last-Modified",
                                                              "Link",
                                                              "Location",
                                                              "Max-Forwards",
                                                              "Origin",
                                                              "Pragma",
                                                              "Proxy-Authenticate",
                                                              "Proxy-Authorization",
                                                              "Proxy-Connection",
                                                              "Range",
                                                              "Referer",
                                                              "Retry-After",
                                                              "Sec-WebSocket-Accept",
                                                              "Sec-WebSocket-Extensions",
                                                              "Sec-WebSocket-Key",
                                                              "Sec-WebSocket-Protocol",
                                                              "Sec-WebSocket-Version",
                                                              "Server",
                                                              "Set-Cookie",
                                                              "Strict-Transport-Security",
                                                              "TE",
                                                              "traceparent",
                                                              "Trailer",
                                                              "Transfer-Encoding",
                                                              "Upgrade",
                                                              "Upgrade-Insecure-Requests",
                                                              "User-Agent",
                                                              "Vary",
                                                              "Via",
                                                              "WWW-Authenticate",
                                                              "X-Forwarded-For"};
static_assert(field_names.size() == static_cast<std::size_t>(field::x_forwarded_for) + 1);
static_assert(field_names.size() <= 64, "headers keep one bit for each");

/// A perfect hash: length, first, middle and last letter. The multipliers were searched for; the
/// table checks them.
constexpr std::size_t field_hash(std::string_view name) noexcept {
    const auto at = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(name[i]) | 0x20u);
    };
    const std::uint32_t h = static_cast<std::uint32_t>(name.size()) * 2369u + at(0) * 2285u +
                            at(name.size() / 2) * 2907u + at(name.size() - 1) * 3189u;
    return (h >> 5) & 255u;
}

inline constexpr std::array<std::uint8_t, 256> field_slots = [] {
    std::array<std::uint8_t, 256> slots{};
    for (std::size_t i = 1; i < field_names.size(); ++i) {
        auto& slot = slots[field_hash(field_names[i])];
        if (slot != 0) throw "two names hash to one slot: choose other multipliers";
        slot = static_cast<std::uint8_t>(i);
    }
    return slots;
}();

/// The number of a token. Setting bit 5 folds the case of letters; of the other bytes that it
/// changes, none that may stand in a token meets a digit or '-', so a token equals a known name
/// exactly when the folded bytes are equal.
[[nodiscard]] inline field recognize_token(std::string_view name) noexcept {
    if (name.empty()) return field::other;
    const std::uint8_t slot = field_slots[field_hash(name)];
    const std::string_view known = field_names[slot];
    if (known.size() != name.size()) return field::other;
    for (std::size_t i = 0; i < name.size(); ++i)
        if ((static_cast<unsigned char>(name[i]) | 0x20u) !=
            (static_cast<unsigned char>(known[i]) | 0x20u))
            return field::other;
    return static_cast<field>(slot);
}

}  // namespace weft::http::detail
