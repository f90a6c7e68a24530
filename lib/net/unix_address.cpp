// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "unix_address.hpp"

#include <weft/core/failure.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace weft::net::detail {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

}  // namespace

unix_address::unix_address(const unix_endpoint& e) {
    name.sun_family = AF_UNIX;
    const std::string& path = e.path;
    if (path.empty() || path == "@" || path.size() >= sizeof name.sun_path)
        throw failure(failure_kind::invalid_input,
                      "\"" + path + "\" is no name of a Unix socket: expected 1 to 107 bytes")
            .with("path", path);
    std::memcpy(name.sun_path, path.data(), path.size());
    if (path.front() == '@') {
        name.sun_path[0] = '\0';
        length = static_cast<socklen_t>(path_offset + path.size());
    } else {
        length = static_cast<socklen_t>(path_offset + path.size() + 1);
    }
}

unix_endpoint unix_address::endpoint() const {
    if (length <= path_offset) return {};
    std::size_t size = std::min<std::size_t>(length - path_offset, sizeof name.sun_path);
    if (name.sun_path[0] == '\0') {
        std::string abstract(name.sun_path, size);
        abstract[0] = '@';
        return {std::move(abstract)};
    }
    size = ::strnlen(name.sun_path, size);
    return {std::string(name.sun_path, size)};
}

any_endpoint any_address::endpoint() const {
    if (any.sa_family == AF_UNIX) {
        unix_address u;
        std::memcpy(&u.name, &room, sizeof u.name);
        u.length = length;
        return u.endpoint();
    }
    net::endpoint e;
    if (length > e.capacity()) return {};
    std::memcpy(e.data(), &room, length);
    e.resize(length);
    return e;
}

any_endpoint own_name(int socket) {
    any_address a;
    if (::getsockname(socket, &a.any, &a.length) != 0) return {};
    return a.endpoint();
}

any_endpoint peer_name(int socket) {
    any_address a;
    if (::getpeername(socket, &a.any, &a.length) != 0) return {};
    return a.endpoint();
}

}  // namespace weft::net::detail
