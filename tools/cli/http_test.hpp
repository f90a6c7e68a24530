// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/server.hpp>

namespace weft::cli {

/// The application behind `weft serve http-test`: one route for each thing that a client of HTTP
/// may want to try.
awaitable<http::response> http_test(http::request r);

/// Sends back what comes in, until the peer ends its side.
awaitable<void> echo(io::stream s);

/// Reads everything, says nothing.
awaitable<void> discard(io::stream s);

}  // namespace weft::cli
