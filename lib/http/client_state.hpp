// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/http/client.hpp>
#include <weft/http/pool.hpp>

#include <optional>
#include <string>

namespace weft::http {

/// What all copies of a client share.
struct client::state {
    std::optional<http::pool> pool;
    any_service<http::request, response> transport;
    std::string names;
};

}  // namespace weft::http
