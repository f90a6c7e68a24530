// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/endpoint.hpp>

#include <sys/socket.h>
#include <sys/un.h>

namespace weft::net::detail {

/// A Unix socket's name as the system has it (unix(7)).
struct unix_address {
    sockaddr_un name{};
    socklen_t length = 0;

    unix_address() noexcept = default;
    /// Throws failure, kind invalid_input, when the name is too long or empty.
    explicit unix_address(const unix_endpoint& e);

    [[nodiscard]] sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&name); }
    [[nodiscard]] const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&name);
    }
    [[nodiscard]] unix_endpoint endpoint() const;
};

/// Any name that a socket has, of the families that weft knows.
struct any_address {
    union {
        sockaddr any;
        sockaddr_storage room{};
    };
    socklen_t length = sizeof(sockaddr_storage);

    [[nodiscard]] any_endpoint endpoint() const;
};

/// getsockname or getpeername; an empty any_endpoint when the system has none.
any_endpoint own_name(int socket);
any_endpoint peer_name(int socket);

}  // namespace weft::net::detail
