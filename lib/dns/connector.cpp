// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/dns/connector.hpp>

#include <utility>

namespace weft::dns {

net::connector connector(connector_options options) {
    if (!options.names) options.names = default_resolver();
    return happy_eyeballs(std::move(options.names), options.race) >>
           net::tcp::connector(std::move(options.tcp));
}

}  // namespace weft::dns
