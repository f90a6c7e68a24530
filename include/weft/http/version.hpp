// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace weft::http {

/// The version of HTTP that a message came in, or is to leave in. Ordered: `v < version::http_2`.
///
///     if (req.version() == http::version::http_1_0) ...
enum class version : std::uint8_t { http_1_0 = 10, http_1_1 = 11, http_2 = 20, http_3 = 30 };

/// "HTTP/1.0", "HTTP/1.1", "HTTP/2" or "HTTP/3".
[[nodiscard]] constexpr std::string_view to_string(version v) noexcept {
    switch (v) {
        case version::http_1_0:
            return "HTTP/1.0";
        case version::http_1_1:
            return "HTTP/1.1";
        case version::http_2:
            return "HTTP/2";
        case version::http_3:
            return "HTTP/3";
    }
    return "HTTP/?";
}

std::ostream& operator<<(std::ostream&, version);

}  // namespace weft::http
