// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h1/error.hpp>
#include <weft/http/h1/framing.hpp>

#include <cstdint>
#include <string_view>

namespace weft::http::h1 {

/// The framing that Transfer-Encoding and Content-Length ask for. `repeated` has a bit for each
/// field number that came more than once. Without either field it gives `otherwise`. `field`
/// becomes the field at fault.
reason decide_framing(version, const headers&, std::uint64_t repeated, framing otherwise,
                      framing& out, field& at) noexcept;

/// Whether a field may be in a trailer section (RFC 9110 6.5.1): not what frames, routes,
/// authenticates, controls caches and conditions, or says how to understand the content.
bool allowed_in_trailers(field) noexcept;

/// Reads `host [":" port]` (RFC 3986 3.2) without user information; false when malformed or without
/// a host.
bool parse_authority(std::string_view text, std::string_view& host,
                     std::string_view& port) noexcept;

}  // namespace weft::http::h1
