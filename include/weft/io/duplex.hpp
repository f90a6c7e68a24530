// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/io/stream.hpp>

#include <cstddef>
#include <utility>

namespace weft::io {

/// The bytes that one direction of a duplex holds before its writer has to wait.
inline constexpr std::size_t duplex_capacity = 64 * 1024;

/// Two streams joined in memory: what one writes the other
/// reads. For tests, and for joining parts of one program.
///
///     auto [client, server] = io::duplex(ctx.get_executor());
///     co_await client.write(bytes::literal("ping"));
///     std::size_t n = co_await server.read(asio::buffer(memory));   // 4
///
/// Behaves as a TCP connection over a fast network: `capacity` bytes in each direction (at least
/// 1), then the writer waits for the reader. A closed end gives its peer what was written and then
/// end of file; an end that closes with unread input, or aborts, gives the peer connection_reset at
/// once and takes back what was not read. Writing to a closed peer gives broken_pipe, to one that
/// reset connection_reset.
///
/// Each end belongs to its own executor; the two may be in different contexts and threads (the pair
/// shares one lock).
std::pair<stream, stream> duplex(boost::asio::any_io_executor first,
                                 boost::asio::any_io_executor second,
                                 std::size_t capacity = duplex_capacity);

/// Both ends on one executor.
std::pair<stream, stream> duplex(const boost::asio::any_io_executor& executor,
                                 std::size_t capacity = duplex_capacity);

}  // namespace weft::io
