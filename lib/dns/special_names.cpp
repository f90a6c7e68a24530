// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "failures.hpp"
#include "names.hpp"
#include <weft/dns/special_names.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace weft::dns::detail {

namespace asio = boost::asio;

namespace {

bool is_below(std::string_view name, std::string_view top) {
    if (!name.ends_with(top)) return false;
    return name.size() == top.size() || name[name.size() - top.size() - 1] == '.';
}

/// As the C library reads them: decimal, octal, or hexadecimal after 0x.
bool is_number(std::string_view label) {
    if (label.starts_with("0x"))
        return label.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
    return label.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The lengths of RFC 1035 2.3.4. Characters are the name server's business (underscores are in
/// use), but those that no name has anywhere are not sent to it.
bool may_be_a_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    const auto strange = [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '/' || c == ':' ||
               c == '%' || c == '[' || c == ']' || c == '@' || c == '\\';
    };
    if (std::ranges::any_of(name, strange)) return false;
    std::string_view label;
    for (std::size_t begin = 0; begin <= name.size(); begin += label.size() + 1) {
        label = name.substr(begin, name.find('.', begin) - begin);
        if (label.empty() || label.size() > 63) return false;
    }
    return !is_number(label);
}

}  // namespace

std::optional<answer> answer_special(const net::resolve_request& what) {
    answer found;
    if (const auto address = literal(what.name)) {
        found.from = net::answer_source::literal;
        found.addresses.push_back(*address);
    } else {
        const std::string name = plain(what.name);
        if (!may_be_a_name(name)) throw no_name(what.name);
        if (is_below(name, "invalid") || is_below(name, "onion")) throw not_found(what.name);
        if (!is_below(name, "localhost")) return std::nullopt;
        found.from = net::answer_source::special;
        found.canonical_name = "localhost";
        found.addresses = {asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()};
    }
    keep(found, what.family);
    if (found.addresses.empty()) throw no_address(what.name, what.family);
    return found;
}

}  // namespace weft::dns::detail
