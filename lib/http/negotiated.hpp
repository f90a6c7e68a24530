// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/tls/info.hpp>

#include <string_view>

namespace weft::http::detail {

/// The protocol that ALPN agreed on for a connection; empty for clear text, or when none was.
[[nodiscard]] inline std::string_view negotiated_protocol(const extensions& e) noexcept {
    const tls::info* const agreed = e.get<tls::info>();
    return agreed ? std::string_view(agreed->alpn) : std::string_view();
}

/// Whether a connection is encrypted.
[[nodiscard]] inline bool is_secure(const extensions& e) noexcept {
    return e.get<tls::info>() != nullptr;
}

}  // namespace weft::http::detail
