// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "socket.hpp"

#include "set_options.hpp"
#include <weft/net/file_descriptor.hpp>
#include <weft/net/tcp.hpp>
#include <weft/net/unix.hpp>

#include <boost/asio/ip/address.hpp>

#include <cerrno>
#include <string>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::net::detail {

namespace ip = boost::asio::ip;

namespace {

/// An IPv4 peer of an IPv6 socket, as the IPv4 address that it is.
endpoint plain(const endpoint& e) {
    const ip::address address = e.address();
    if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return e;
    return {ip::make_address_v4(ip::v4_mapped, address.to_v6()), e.port()};
}

}  // namespace

io::stream make_stream(boost::asio::any_io_executor executor, int socket, const endpoint& peer,
                       const endpoint* local, std::shared_ptr<connection_permit> permit,
                       bool begins_small) {
    auto* made = new socket_stream(std::move(executor), socket);
    io::stream s(made);
    if (begins_small) made->begin_small();
    s.extensions().insert(peer_endpoint{plain(peer)});
    if (local) {
        s.extensions().insert(local_endpoint{*local});
    } else {
        endpoint own;
        auto length = static_cast<socklen_t>(own.capacity());
        if (::getsockname(socket, own.data(), &length) == 0) {
            own.resize(length);
            s.extensions().insert(local_endpoint{plain(own)});
        }
    }
    made->hold(std::move(permit));
    return s;
}

io::stream make_unix_stream(boost::asio::any_io_executor executor, int socket,
                            const unix_endpoint* local, std::shared_ptr<connection_permit> permit) {
    auto* made = new socket_stream(std::move(executor), socket);
    io::stream s(made);
    ucred peer{};
    socklen_t length = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0)
        s.extensions().insert(peer_credentials{peer.uid, peer.gid, peer.pid});
    if (local) s.extensions().insert(unix_local_endpoint{*local});
    made->hold(std::move(permit));
    return s;
}

}  // namespace weft::net::detail

namespace weft::net::tcp {

io::stream adopt(boost::asio::any_io_executor executor, int socket, const socket_options& options) {
    file_descriptor owned(socket);
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    net::detail::set_options(socket, options, net::detail::socket_role::established);
    endpoint peer;
    auto length = static_cast<socklen_t>(peer.capacity());
    if (::getpeername(socket, peer.data(), &length) == 0) peer.resize(length);
    return net::detail::make_stream(std::move(executor), owned.release(), peer, nullptr, nullptr);
}

}  // namespace weft::net::tcp
