// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/dns/default_resolver.hpp>
#include <weft/dns/special_names.hpp>

#include <utility>

namespace weft::dns {

resolver default_resolver(resolver_options options) {
    auto ask = special_names() >> cache(options.cache) >> system_resolver(options.system);
    if (options.overrides.empty()) return ask;
    return overrides(std::move(options.overrides)) >> std::move(ask);
}

}  // namespace weft::dns
