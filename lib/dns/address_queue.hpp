// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/resolve_request.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace weft::dns::detail {

/// The addresses that are still to be tried: families take turns, beginning with the preferred one
/// (RFC 8305 4). Addresses may come at any time; none is given twice.
class address_queue {
  public:
    address_queue(net::address_family prefer, std::size_t most) noexcept
        : next_is_v6_(prefer != net::address_family::v4), left_(most) {}

    void add(const std::vector<boost::asio::ip::address>& addresses);
    [[nodiscard]] bool empty() const noexcept { return left_ == 0 || (v6_.empty() && v4_.empty()); }
    /// The next one; there is one.
    boost::asio::ip::address take();

  private:
    std::deque<boost::asio::ip::address> v6_, v4_;
    std::vector<boost::asio::ip::address> seen_;
    bool next_is_v6_;
    std::size_t left_;
};

}  // namespace weft::dns::detail
