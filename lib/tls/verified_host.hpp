// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/tls/connect.hpp>

#include <string>

namespace weft::tls::detail {

/// Whom a certificate is verified for: the server's name without the dot at its end, or its
/// address. Throws failure(invalid_input) when it is neither.
std::string verified_host(const target& to, const connection_settings& settings);

}  // namespace weft::tls::detail
