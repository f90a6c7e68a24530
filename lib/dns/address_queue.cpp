// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "address_queue.hpp"

#include "names.hpp"

#include <algorithm>
#include <span>

namespace weft::dns::detail {

namespace asio = boost::asio;

void address_queue::add(const std::vector<asio::ip::address>& addresses) {
    const std::size_t n = std::min(addresses.size(), most_addresses);
    for (asio::ip::address one : std::span(addresses).first(n)) {
        // An IPv4 address in IPv6's clothes is reached over IPv4.
        if (one.is_v6() && one.to_v6().is_v4_mapped())
            one = asio::ip::make_address_v4(asio::ip::v4_mapped, one.to_v6());
        if (std::ranges::find(seen_, one) != seen_.end()) continue;
        seen_.push_back(one);
        (one.is_v6() ? v6_ : v4_).push_back(one);
    }
}

asio::ip::address address_queue::take() {
    auto& from = (next_is_v6_ && !v6_.empty()) || v4_.empty() ? v6_ : v4_;
    const asio::ip::address one = from.front();
    from.pop_front();
    next_is_v6_ = !one.is_v6();
    --left_;
    return one;
}

}  // namespace weft::dns::detail
