// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/net/matcher.hpp>

#include <algorithm>
#include <charconv>
#include <string>

namespace weft::net {

namespace ip = boost::asio::ip;

namespace {

ip::address plain(const ip::address& a) noexcept {
    if (a.is_v6() && a.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, a.to_v6());
    return a;
}

std::array<std::uint8_t, 16> bytes_of(const ip::address& a) noexcept {
    std::array<std::uint8_t, 16> out{};
    if (a.is_v4()) {
        const auto b = a.to_v4().to_bytes();
        std::copy(b.begin(), b.end(), out.begin());
    } else {
        const auto b = a.to_v6().to_bytes();
        std::copy(b.begin(), b.end(), out.begin());
    }
    return out;
}

bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b,
                 unsigned bits) noexcept {
    const std::size_t whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin()))
        return false;
    if (bits % 8 == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
    return (a[whole] & mask) == (b[whole] & mask);
}

}  // namespace

network_list::network_list(std::initializer_list<std::string_view> networks) {
    for (std::string_view n : networks) add(n);
}
network_list::network_list(const std::vector<std::string_view>& networks) {
    for (std::string_view n : networks) add(n);
}

void network_list::add(std::string_view text) {
    const std::size_t slash = text.find('/');
    boost::system::error_code error;
    const ip::address a = ip::make_address(std::string(text.substr(0, slash)), error);
    bool good = !error;
    unsigned length = a.is_v4() ? 32 : 128;
    if (good && slash != text.npos) {
        const std::string_view digits = text.substr(slash + 1);
        unsigned given = 0;
        const auto [end, bad] =
            std::from_chars(digits.data(), digits.data() + digits.size(), given);
        good = bad == std::errc() && end == digits.data() + digits.size() && given <= length;
        length = given;
    }
    if (!good)
        throw failure(failure_kind::invalid_input, "not a network: \"" + std::string(text) + "\"");
    networks_.push_back({bytes_of(a), length, a.is_v4()});
}

bool network_list::contains(const ip::address& address) const noexcept {
    const ip::address a = plain(address);
    const auto bytes = bytes_of(a);
    return std::any_of(networks_.begin(), networks_.end(), [&](const network& n) {
        return n.v4 == a.is_v4() && same_prefix(n.bytes, bytes, n.length);
    });
}

by_peer_address::key by_peer_address::key_of(const ip::address& address) noexcept {
    const ip::address a = plain(address);
    const auto bytes = bytes_of(a);
    key k{};
    k[0] = a.is_v4() ? 4 : 6;
    std::copy_n(bytes.begin(), 8, k.begin() + 1);
    return k;
}

}  // namespace weft::net
