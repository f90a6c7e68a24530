// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <cstdint>
#include <string_view>

namespace weft::tls {

/// A version of the protocol, by its number on the wire. weft speaks these two; what is older is
/// refused (RFC 8996).
///
///     tls::client_options options;
///     options.min_version = tls::version::tls_1_3;
enum class version : std::uint16_t {
    tls_1_2 = 0x0303,  ///< RFC 5246
    tls_1_3 = 0x0304   ///< RFC 8446
};

/// "TLS 1.3"; of another number "unknown TLS version".
std::string_view to_string(version v) noexcept;

}  // namespace weft::tls
