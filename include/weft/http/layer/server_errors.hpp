// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/call_failures.hpp>

namespace weft::http {

/// What counts as failed where responses may be failures: 5xx, other than 501 and 505, which are
/// about the request; and weft::peer_failures.
///
///     weft::count counted(http::server_errors{});
struct server_errors {
    bool operator()(const failure& f) const noexcept { return peer_failures{}(f); }
    bool operator()(const response& r) const noexcept {
        const status s = r.status();
        return s.is_server_error() && s != status::not_implemented &&
               s != status::http_version_not_supported;
    }
};

}  // namespace weft::http
