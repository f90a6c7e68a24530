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

/// Sets everything that `options` asks for; the kind of socket is the descriptor's own. Throws
/// failure with `option` and `value`. The socket stays the caller's.
void set_options(int socket, const socket_options& options, socket_role role);

}  // namespace weft::net::detail
