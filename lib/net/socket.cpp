// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "socket.hpp"

#include <weft/core/failure.hpp>

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

[[noreturn]] void fail(int error, const endpoint& address, int socket) {
    if (socket >= 0) ::close(socket);
    throw failure::from(boost::system::error_code(error, boost::system::system_category()),
                        "cannot listen on " + to_string(address))
        .with("address", to_string(address));
}

/// How much a connection may give the system beyond what is under way to its peer. Without a bound
/// the send buffer grows to megabytes, and a peer that takes nothing costs as much, and as much
/// work: what is under way is not bounded by it, so a fast peer is served as fast.
constexpr int notsent_lowat = 128 * 1024;

void set(int socket, int level, int name, int value) noexcept {
    ::setsockopt(socket, level, name, &value, sizeof value);
}

/// An IPv4 peer of an IPv6 socket, as the IPv4 address that it is.
endpoint plain(const endpoint& e) {
    const ip::address address = e.address();
    if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return e;
    return {ip::make_address_v4(ip::v4_mapped, address.to_v6()), e.port()};
}

}  // namespace

int listen_on(endpoint& address, const tcp::listen_options& options) {
    const bool any = address.address().is_v6() && address.address().is_unspecified();
    int socket =
        ::socket(address.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0 && any && !options.v6_only && errno == EAFNOSUPPORT) {
        address = endpoint(ip::address_v4::any(), address.port());  // a machine without IPv6
        socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (socket < 0) fail(errno, address, -1);
    set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.address().is_v6()) set(socket, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
    // Linux hands both down to the connections that are accepted.
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_lowat);
    const int one = 1;
    if (options.reuse_port && ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
        fail(errno, address, socket);
    if (::bind(socket, address.data(), static_cast<socklen_t>(address.size())) != 0)
        fail(errno, address, socket);
    if (::listen(socket, options.backlog) != 0) fail(errno, address, socket);
    auto length = static_cast<socklen_t>(address.capacity());
    if (::getsockname(socket, address.data(), &length) != 0) fail(errno, address, socket);
    address.resize(length);
    return socket;
}

io::stream make_stream(boost::asio::any_io_executor executor, int socket, const endpoint& peer,
                       const endpoint* local, std::shared_ptr<connection_permit> permit) {
    auto* made = new socket_stream(std::move(executor), socket);
    io::stream s(made);
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

}  // namespace weft::net::detail

namespace weft::net::tcp {

io::stream adopt(boost::asio::any_io_executor executor, int socket) {
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    const int one = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    endpoint peer;
    auto length = static_cast<socklen_t>(peer.capacity());
    if (::getpeername(socket, peer.data(), &length) == 0) peer.resize(length);
    return net::detail::make_stream(std::move(executor), socket, peer, nullptr, nullptr);
}

}  // namespace weft::net::tcp
