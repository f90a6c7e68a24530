// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/http/body.hpp>
#include <weft/io/stream.hpp>

#include <memory>

namespace weft::http::detail {

/// What CONNECT makes of an HTTP/2 stream (RFC 9113 8.5): its two contents are the two directions
/// of a connection. The application has one end of a pair of streams in memory; these carry what
/// passes the other one.
///
/// What comes in goes to `to`, and its end too. A content that breaks off resets `to`.
awaitable<void> tunnel_in(http::body from, std::shared_ptr<io::stream> to);
/// What is read from `from`, as a content.
http::body tunnel_out(std::shared_ptr<io::stream> from);

}  // namespace weft::http::detail
