// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/dns/answer.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_attempts.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/runtime/clock.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace weft::dns {

struct happy_eyeballs_options {
    /// How long an attempt may be silent before the next address is tried beside it (RFC 8305 5).
    clock::duration attempt_delay = std::chrono::milliseconds(250);
    /// How long the addresses of the family that is not preferred wait for those that are, when
    /// they come first (RFC 8305 3).
    clock::duration resolution_delay = std::chrono::milliseconds(50);
    /// For one address. Zero: as long as the connector below tries.
    clock::duration address_timeout = std::chrono::seconds(10);
    /// Which family is tried first.
    net::address_family prefer = net::address_family::v6;
    /// Only this one is asked for.
    net::address_family only = net::address_family::any;
    /// At most so many addresses are tried; a name may have any number.
    std::size_t max_addresses = 16;
};

namespace detail {

struct happy_settings {
    resolver names;
    happy_eyeballs_options options;
};

/// The connector below, which outlives the call.
struct dialler {
    const void* next;
    awaitable<io::stream> (*call)(const void* next, net::connect_request to);
};

awaitable<io::stream> connect_happily(std::shared_ptr<const happy_settings> settings,
                                      net::connect_request to, dialler dial);

}  // namespace detail

/// A layer around a connector that resolves the host and connects to the address that answers first
/// (RFC 8305, "Happy Eyeballs" version 2):
///
///     net::connector connect = dns::happy_eyeballs(dns::default_resolver()) >>
///                              net::tcp::connector();
///     io::stream s = co_await connect.serve(net::connect_request("example.org", 443));
///
/// IPv6 and IPv4 addresses are asked for at the same time. Connecting begins with the first IPv6
/// address, or, when only IPv4 ones are known 50 ms after they came, with those. Families take
/// turns; within one the resolver's order is kept (the system's sorts as RFC 6724 says). An address
/// that does not answer within 250 ms gets company by the next, one that fails by the next at once.
/// The first that connects wins, and the others are cancelled and joined before this returns.
/// Addresses that come late are tried too.
///
/// The connector below is asked for an IP address, with a fork of the request's extensions for each
/// attempt. The stream's extensions hold net::connect_attempts. A `weft::deadline` in the request's
/// extensions is honoured, and its failure tells what was tried; one from a with_deadline around
/// this cannot.
///
/// Throws failure, domain transport, delivery not_sent. When no name could be resolved: the
/// resolver's. When every address failed: kind and code of the last one, the failures before it as
/// its causes, `host`, `port` and `tried` (each address and why it failed) in its context, and the
/// net::connect_attempts as a detail. Out of time: kind timeout, with the same. Costs a child
/// coroutine for each family and each attempt.
class happy_eyeballs : public pipeable {
  public:
    explicit happy_eyeballs(resolver names, happy_eyeballs_options options = {})
        : settings_(std::make_shared<const detail::happy_settings>(std::move(names), options)) {}

    template <class Next>
    awaitable<io::stream> serve(net::connect_request to, const Next& next) const {
        return detail::connect_happily(settings_, std::move(to),
                                       {&next, [](const void* n, net::connect_request one) {
                                            return (*static_cast<const Next*>(n))(std::move(one));
                                        }});
    }

  private:
    std::shared_ptr<const detail::happy_settings> settings_;
};

}  // namespace weft::dns
