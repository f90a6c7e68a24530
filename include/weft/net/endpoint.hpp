// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weft::net {

/// An IP address with a port: Asio's.
using endpoint = boost::asio::ip::tcp::endpoint;

/// Reads "192.0.2.1:80", "[2001:db8::1]:443", ":8080" (all addresses, IPv6 and IPv4), "*:8080" (the
/// same) or "localhost:0" (127.0.0.1). Looks no name up. Throws failure, kind invalid_input, that
/// quotes the text.
endpoint parse_endpoint(std::string_view text);

/// "192.0.2.1:80" or "[2001:db8::1]:443".
std::string to_string(const endpoint& e);

/// The name of a Unix socket: a path; "@name" in Linux's abstract namespace, which has no file and
/// no permissions; or empty, as a client's is.
struct unix_endpoint {
    std::string path;
    friend bool operator==(const unix_endpoint&, const unix_endpoint&) = default;
};

/// "unix:/run/app.sock", "unix:@name" or "unix:".
std::string to_string(const unix_endpoint& e);

/// Where something listens: an IP address with a port, or a Unix socket.
///
///     options.on_listening = [](const net::any_endpoint& at) { log(net::to_string(at)); };
///
/// Converts to `endpoint` for those who only ever listen to TCP.
class any_endpoint {
  public:
    /// 0.0.0.0:0.
    any_endpoint() noexcept = default;
    any_endpoint(endpoint e) noexcept : ip_(e) {}  // NOLINT(google-explicit-constructor)
    any_endpoint(unix_endpoint e) noexcept         // NOLINT(google-explicit-constructor)
        : unix_(std::move(e)), is_unix_(true) {}

    [[nodiscard]] bool is_unix() const noexcept { return is_unix_; }
    /// Throws failure, kind invalid_input, when this is a Unix socket.
    [[nodiscard]] const endpoint& ip() const {
        if (is_unix_) refuse();
        return ip_;
    }
    operator const endpoint&() const { return ip(); }  // NOLINT(google-explicit-constructor)
    [[nodiscard]] std::uint16_t port() const { return ip().port(); }
    [[nodiscard]] boost::asio::ip::address address() const { return ip().address(); }
    /// Empty when this is an IP address.
    [[nodiscard]] const unix_endpoint& unix_name() const noexcept { return unix_; }

    friend bool operator==(const any_endpoint&, const any_endpoint&) = default;

  private:
    [[noreturn]] void refuse() const;

    endpoint ip_;
    unix_endpoint unix_;
    bool is_unix_ = false;
};

/// What parse_endpoint reads, or "unix:/run/app.sock", or "unix:@name". Throws failure, kind
/// invalid_input, that quotes the text.
any_endpoint parse_any_endpoint(std::string_view text);

/// As to_string of what it holds.
std::string to_string(const any_endpoint& e);

/// Who is at the other end of a connection; in the extensions of the stream.
///
///     auto* peer = stream.extensions().get<net::peer_endpoint>();
///     if (peer) log(net::to_string(peer->value));
struct peer_endpoint {
    endpoint value;
    friend bool operator==(const peer_endpoint&, const peer_endpoint&) = default;
};

/// Our end of a connection; in the extensions of the stream.
struct local_endpoint {
    endpoint value;
    friend bool operator==(const local_endpoint&, const local_endpoint&) = default;
};

}  // namespace weft::net

template <>
struct fmt::formatter<weft::net::peer_endpoint> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::peer_endpoint& e,
                                         fmt::format_context& out) const;
};

template <>
struct fmt::formatter<weft::net::local_endpoint> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::local_endpoint& e,
                                         fmt::format_context& out) const;
};
