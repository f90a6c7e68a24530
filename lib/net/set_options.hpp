// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/socket_options.hpp>

namespace weft::net::detail {

/// What a socket is about to be, or is.
enum class socket_role : unsigned char {
    listener,     ///< not bound yet
    listening,    ///< taken over from another process
    connector,    ///< not connected yet
    established,  ///< a connection that was taken over
    datagram      ///< not bound yet
};

/// How much a served TCP connection may give the system beyond what is on its way to its peer,
/// where the options do not say. Without a bound the send buffer grows to megabytes, and a peer
/// that takes nothing costs as much, and as much work; a fast peer is served as fast, because what
/// is on its way is not bounded. Least at first: 10,000 that come at once and take nothing
/// cost their copies, and everybody else the time for them.
struct served_notsent_lowat {
    static constexpr int at_first = 16 * 1024;
    static constexpr int later = 128 * 1024;  ///< from when the peer has made room
};

/// Sets everything that `options` asks for; the kind of socket is the descriptor's own. Throws
/// failure with `option` and `value`. The socket stays the caller's.
void set_options(int socket, const socket_options& options, socket_role role);

}  // namespace weft::net::detail
