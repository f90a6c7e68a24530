// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/dns/default_resolver.hpp>
#include <weft/dns/happy_eyeballs.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/net/tcp.hpp>

namespace weft::dns {

struct connector_options {
    /// Empty: a default_resolver of its own.
    resolver names = {};
    happy_eyeballs_options race = {};
    net::tcp::connect_options tcp = {};
};

/// TCP as a client wants it: names resolved and kept, the address that answers first.
///
///     net::connector connect = dns::connector();
///     http::client client(timeout(2s) >> dns::connector());
///
/// It is `dns::happy_eyeballs(names) >> net::tcp::connector()`.
net::connector connector(connector_options options = {});

}  // namespace weft::dns
