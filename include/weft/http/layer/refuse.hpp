// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/http/response.hpp>

namespace weft::http {

/// What a client is answered whose request a limit refused: the status, its phrase as text, and
/// Retry-After in whole seconds where the failure knows when to come again. The failure's own words
/// stay here. The limits of this folder answer with it, because a throw costs ten times as much,
/// and refusing is what a server does most when it is overloaded.
///
///     http::response r = http::refuse(why, http::status::service_unavailable);
[[nodiscard]] response refuse(const failure& why, status s);

}  // namespace weft::http
