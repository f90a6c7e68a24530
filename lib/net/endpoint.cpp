// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/net/endpoint.hpp>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include <charconv>

namespace weft::net {

namespace ip = boost::asio::ip;

namespace {

constexpr std::size_t longest_unix_path = 107;  // sun_path, and its NUL

[[noreturn]] void refuse(std::string_view text, const char* why) {
    throw failure(
        failure_kind::invalid_input,
        std::string("\"").append(text).append("\" is no address to listen on: ").append(why));
}

}  // namespace

endpoint parse_endpoint(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) refuse(text, "expected HOST:PORT");
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);

    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
        port > 65535)
        refuse(text, "the port is a number from 0 to 65535");
    const auto number = static_cast<std::uint16_t>(port);

    if (host.empty() || host == "*") return {ip::address_v6::any(), number};
    if (host == "localhost") return {ip::address_v4::loopback(), number};
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        refuse(text, "an IPv6 address stands in brackets, [::1]:80");
    }
    boost::system::error_code ec;
    const ip::address address = ip::make_address(std::string(host), ec);
    if (ec || address.is_v6() != bracketed)
        refuse(text, "the host is an IP address, * or localhost");
    return {address, number};
}

std::string to_string(const endpoint& e) {
    std::string text;
    if (e.address().is_v6())
        text.append("[").append(e.address().to_string()).append("]");
    else
        text = e.address().to_string();
    return text.append(":").append(std::to_string(e.port()));
}

std::string to_string(const unix_endpoint& e) { return "unix:" + e.path; }

any_endpoint parse_any_endpoint(std::string_view text) {
    constexpr std::string_view scheme = "unix:";
    if (!text.starts_with(scheme)) return parse_endpoint(text);
    const std::string_view path = text.substr(scheme.size());
    if (path.empty() || path == "@") refuse(text, "expected unix:/PATH or unix:@NAME");
    if (path.size() > longest_unix_path) refuse(text, "a Unix socket's name has at most 107 bytes");
    if (path.find('\0') != std::string_view::npos) refuse(text, "a path holds no NUL");
    return unix_endpoint{std::string(path)};
}

std::string to_string(const any_endpoint& e) {
    return e.is_unix() ? to_string(e.unix_name()) : to_string(e.ip());
}

void any_endpoint::refuse() const {
    throw failure(failure_kind::invalid_input, to_string(*this) + " has no IP address and port");
}

}  // namespace weft::net

fmt::format_context::iterator fmt::formatter<weft::net::peer_endpoint>::format(
    const weft::net::peer_endpoint& e, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}", weft::net::to_string(e.value));
}

fmt::format_context::iterator fmt::formatter<weft::net::local_endpoint>::format(
    const weft::net::local_endpoint& e, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}", weft::net::to_string(e.value));
}
