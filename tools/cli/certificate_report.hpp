// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/tls/info.hpp>

#include <string>

namespace weft::cli {

/// "2026-01-31", in UTC; "for ever" and "always" for what no clock here reaches.
std::string date_of(tls::certificate::time_point t);

/// What a certificate says, a line each; `now` tells how long it is good.
std::string certificate_lines(const tls::certificate& c, tls::certificate::time_point now);

/// What -v says of a TLS session, a "* " line each.
std::string session_lines(const tls::info& session);

}  // namespace weft::cli
