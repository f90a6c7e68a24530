// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/connect_request.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/socket_options.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace weft::net::tcp {

struct connect_options {
    /// For one address; the next is tried after it. Zero: as long as the operating system tries.
    std::chrono::milliseconds address_timeout{10'000};
    /// What the system is told about the socket, before it connects.
    socket_options socket = {};
    /// The address of our end; port 0: the system chooses. Unset: the system chooses both. An
    /// address of the other IP version is no match for the peer's: the connect fails.
    std::optional<endpoint> local = {};
};

/// The TCP connector: a service from connect_request to io::stream.
///
///     io::stream s = co_await net::tcp::connect.serve(net::connect_request("example.org", 80));
///     http::client client(timeout(2s) >> net::tcp::connector());
///
/// The host is an IP address, or a name that getaddrinfo resolves on a thread apart; its addresses
/// are tried in order until one answers. The stream belongs to the caller's executor, sends small
/// writes at once (socket_options::nodelay) and holds peer_endpoint and local_endpoint in its
/// extensions.
///
/// Throws failure: unavailable (no such host, refused, unreachable) or timeout, domain transport,
/// delivery not_sent, with host, port and address in its context; the last address's failure is the
/// one reported, the ones before it are its causes. Cancellation (terminal) gives up at once; a
/// resolver that hangs is left to itself.
class connector {
  public:
    connector() = default;
    explicit connector(connect_options options) : options_(std::move(options)) {}

    awaitable<io::stream> serve(connect_request to) const;

  private:
    connect_options options_;
};

/// The connector with the default options.
inline const connector connect{};

/// Takes over a connected TCP socket and makes it a stream on `executor`; closes it when that
/// fails.
io::stream adopt(boost::asio::any_io_executor executor, int socket,
                 const socket_options& options = {});

}  // namespace weft::net::tcp
