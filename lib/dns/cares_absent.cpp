// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/dns/cares_resolver.hpp>

namespace weft::dns {

bool has_cares() noexcept { return false; }

cares_resolver::cares_resolver(cares_options) {
    throw failure(failure_kind::invalid_input, "this weft was built without c-ares");
}

awaitable<answer> cares_resolver::serve(net::resolve_request) const {
    throw failure(failure_kind::invalid_input, "this weft was built without c-ares");
    co_return answer();
}

}  // namespace weft::dns
