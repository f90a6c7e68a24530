// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/matcher.hpp>
#include <weft/net/endpoint.hpp>

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::net {

// Matchers of the socket: they look at the endpoints in the extensions of the connection that a
// request came in on, or of a stream itself. A connection without endpoints (in memory) matches
// none.
//
//     auto inside = net::peer_in({"10.0.0.0/8", "fd00::/8"}) || net::peer_is_loopback();
//     auto app = hijack(!inside, forbidden) >> admin;
//
// An IPv4 address inside of IPv6 (::ffff:192.0.2.1) is that IPv4 address.

/// Networks in CIDR notation, or single addresses.
class network_list {
  public:
    /// Throws failure, kind invalid_input, that quotes what is no network.
    network_list(std::initializer_list<std::string_view> networks);
    explicit network_list(const std::vector<std::string_view>& networks);
    [[nodiscard]] bool contains(const boost::asio::ip::address& a) const noexcept;

  private:
    struct network {
        std::array<std::uint8_t, 16> bytes;
        unsigned length;  // of the prefix, in bits
        bool v4;
    };
    void add(std::string_view text);
    std::vector<network> networks_;
};

/// The peer's address is in one of these networks.
inline auto peer_in(network_list networks) {
    return connection_is<peer_endpoint>([n = std::move(networks)](const peer_endpoint& p) {
        return n.contains(p.value.address());
    });
}
inline auto peer_in(std::initializer_list<std::string_view> networks) {
    return peer_in(network_list(networks));
}
/// The peer is on this machine, by IP.
inline auto peer_is_loopback() { return peer_in({"127.0.0.0/8", "::1"}); }
/// The connection came in on this port of ours.
inline auto local_port_is(std::uint16_t port) {
    return connection_is<local_endpoint>(
        [port](const local_endpoint& e) { return e.value.port() == port; });
}

/// The key of a rate limit for each client: the peer's address, of IPv6 the /64 that a client has
/// to itself. Without an address (in memory) there is no key, and no limit.
///
///     auto app = http::rate_limit({.limit = 10, .per = 1s}, net::by_peer_address()) >> router;
struct by_peer_address {
    using key = std::array<std::uint8_t, 9>;
    template <class Req>
    std::optional<key> operator()(const Req& request) const noexcept {
        const extensions* ext = extensions_of(request);
        if (!ext) return std::nullopt;
        const extensions_link connection = ext->ingress();
        const auto* peer =
            connection ? connection.get<peer_endpoint>() : ext->template get<peer_endpoint>();
        if (!peer) return std::nullopt;
        return key_of(peer->value.address());
    }
    static key key_of(const boost::asio::ip::address& a) noexcept;
};

}  // namespace weft::net
