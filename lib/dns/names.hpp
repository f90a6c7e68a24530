// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/dns/answer.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft::dns::detail {

/// In lower case: what questions are compared by. The dot at the end stays: with it a name is not
/// completed from a search list, and may be another host's.
[[nodiscard]] std::string lower_case(std::string_view name);

/// In lower case, without the dot at its end: what names are compared by whose meaning does not
/// depend on a search list.
[[nodiscard]] std::string plain(std::string_view name);

/// The address that a text is, all of it: inet_pton would stop at a NUL.
[[nodiscard]] std::optional<boost::asio::ip::address> literal(std::string_view text);

/// Throws `no_name` for what the C interfaces below would read only half of.
void refuse_nul(std::string_view name);

/// The most addresses of one answer that are kept. Whoever runs a name may give it thousands, and
/// nobody tries them.
inline constexpr std::size_t most_addresses = 64;

/// Keeps the addresses of one family.
void keep(answer& a, net::address_family family);

}  // namespace weft::dns::detail
