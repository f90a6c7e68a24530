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

namespace detail {
/// What the client does with a request: within its deadline, if it has one. `state` is the
/// caller's, who awaits this at once.
awaitable<response> send_through(const client::state& state, request r);
}  // namespace detail

}  // namespace weft::http
