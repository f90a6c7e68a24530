// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "names.hpp"

#include "failures.hpp"

#include <boost/system/error_code.hpp>

#include <vector>

namespace weft::dns::detail {

namespace asio = boost::asio;

std::string lower_case(std::string_view name) {
    std::string text(name);
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

std::string plain(std::string_view name) {
    if (name.ends_with('.')) name.remove_suffix(1);
    return lower_case(name);
}

std::optional<asio::ip::address> literal(std::string_view text) {
    if (text.find('\0') != text.npos) return std::nullopt;
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(std::string(text), ec);
    if (ec) return std::nullopt;
    return address;
}

void refuse_nul(std::string_view name) {
    if (name.find('\0') != name.npos) throw no_name(name);
}

void keep(answer& a, net::address_family family) {
    if (family == net::address_family::any) return;
    const bool v6 = family == net::address_family::v6;
    std::erase_if(a.addresses, [&](const asio::ip::address& one) { return one.is_v6() != v6; });
}

}  // namespace weft::dns::detail
