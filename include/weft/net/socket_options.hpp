// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace weft::net {

/// How the system finds out that a silent TCP peer is gone (RFC 9293, 3.8.4).
struct keepalive_options {
    /// Silence before the first probe. Whole seconds, 1 to 32767.
    std::chrono::seconds idle{60};
    /// Between two probes. Whole seconds, 1 to 32767.
    std::chrono::seconds interval{10};
    /// Probes without an answer after which the connection has timed out. 1 to 127.
    int count = 5;
};

/// What the operating system is told about a socket. The same aggregate for listeners (their
/// accepted streams have it too), connectors, adopted sockets and datagram sockets.
///
///     net::socket_options tuned;
///     tuned.keepalive = {.idle = 30s, .interval = 5s, .count = 3};
///     tuned.user_timeout = 20s;
///     net::tcp::connector connect({.socket = tuned});
///
/// A default leaves the system's choice, except `nodelay`. An option that was set and does not
/// apply to the kind of socket, or that the system refuses, is a thrown failure whose context has
/// `option` and `value`: kind rejected where permission is missing, else invalid_input. Nothing is
/// ignored or silently lowered.
///
/// | option | TCP listener, accepted, connector | UDP | Unix |
/// | --- | --- | --- | --- |
/// | nodelay | yes | has none: nothing is set | has none: nothing is set |
/// | keepalive, user_timeout, linger, congestion_control, notsent_lowat | yes | no | no |
/// | fastopen | listener, connector | no | no |
/// | reuse_port | yes | yes | no |
/// | mark, bind_device, transparent, freebind, traffic_class | yes | yes | no |
/// | v6_only | IPv6 | IPv6 | no |
/// | send_buffer, receive_buffer | yes | yes | yes |
struct socket_options {
    /// Sends small writes at once (TCP_NODELAY). False: the system may hold them back until the
    /// peer has acknowledged what went before.
    bool nodelay = true;
    std::optional<keepalive_options> keepalive = {};
    /// How long sent bytes may stay unacknowledged before the connection times out
    /// (TCP_USER_TIMEOUT, RFC 5482).
    std::optional<std::chrono::milliseconds> user_timeout = {};
    /// Zero: closing drops what is unsent and resets the connection. More is refused: the system
    /// would hold up the event loop in close, and unsent bytes reach the peer without it too.
    std::optional<std::chrono::seconds> linger = {};
    /// For routing and filters (SO_MARK). Needs CAP_NET_ADMIN or CAP_NET_RAW.
    std::optional<std::uint32_t> mark = {};
    /// Only this network interface, "eth0"; empty: any.
    std::string bind_device = {};
    /// Data in the first packet (RFC 7413). Listener: how many such connections may wait.
    /// Connector: any number above zero switches it on; connecting then ends at once where the peer
    /// is known, and its refusal is seen by the first write or read.
    std::optional<int> fastopen = {};
    /// Several sockets share one address, and the system spreads connections or datagrams over
    /// them.
    bool reuse_port = false;
    /// Addresses that are not this machine's, for transparent proxies. Needs CAP_NET_ADMIN or
    /// CAP_NET_RAW.
    bool transparent = false;
    /// Binds to an address that this machine does not have yet.
    bool freebind = false;
    /// "bbr", "cubic", ...; empty: the system's. Some need CAP_NET_ADMIN.
    std::string congestion_control = {};
    /// Bytes of payload that the system holds for us (it sets aside twice that). Above its limits
    /// (net.core.wmem_max, rmem_max) it takes CAP_NET_ADMIN.
    std::optional<std::size_t> send_buffer = {};
    std::optional<std::size_t> receive_buffer = {};
    /// The socket is writable only while fewer unsent bytes than this wait in it: keeps latency low
    /// where the sender can choose late what it sends. Without a value: 128 KiB for what a TCP
    /// listener accepts, so that peers that take nothing cost little memory; none else.
    std::optional<std::size_t> notsent_lowat = {};
    /// IPv6 only. Otherwise IPv4 comes in at [::] too.
    bool v6_only = false;
    /// The DSCP and ECN byte of each packet (IP_TOS, IPV6_TCLASS; RFC 2474). TCP keeps the two ECN
    /// bits to itself.
    std::optional<std::uint8_t> traffic_class = {};
};

}  // namespace weft::net
