// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tcp_stream.hpp"
#include <weft/io/stream.hpp>
#include <weft/net/endpoint.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace weft::net::detail {

/// A stream over a connected socket, which it takes over, with its facts. `local` null: asked from
/// the system. `begins_small`: see socket_stream::begin_small.
io::stream make_stream(boost::asio::any_io_executor executor, int socket, const endpoint& peer,
                       const endpoint* local, std::shared_ptr<connection_permit> permit,
                       bool begins_small = false);

/// The same for a Unix socket. `local`: of an accepted connection; null: not asked.
io::stream make_unix_stream(boost::asio::any_io_executor executor, int socket,
                            const unix_endpoint* local, std::shared_ptr<connection_permit> permit);

}  // namespace weft::net::detail
