// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>

#include <string_view>

namespace weft::http::detail {

/// The protocol that ALPN agreed on for a connection; empty for clear text, or when none was.
[[nodiscard]] inline std::string_view negotiated_protocol(const extensions&) noexcept { return {}; }

/// Whether a connection is encrypted.
[[nodiscard]] inline bool is_secure(const extensions&) noexcept { return false; }

}  // namespace weft::http::detail
