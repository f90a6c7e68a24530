// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/extensions.hpp>

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::net {

/// Which addresses are asked for.
enum class address_family : unsigned char { any, v4, v6 };

/// "any", "IPv4", "IPv6".
constexpr std::string_view to_string(address_family f) noexcept {
    return f == address_family::v4 ? "IPv4" : f == address_family::v6 ? "IPv6" : "any";
}

/// What a resolver is asked: the addresses of a name.
///
///     net::resolve_request what("example.org", net::address_family::v6);
///     net::resolve_answer found = co_await resolver.serve(std::move(what));
///
/// A value like any other request of weft; it can be replayed, and the copy's extensions are a fork
/// of the original's. A `weft::deadline` in them is honoured.
class resolve_request {
  public:
    resolve_request() = default;
    explicit resolve_request(std::string host_name, address_family wanted = address_family::any)
        : name(std::move(host_name)), family(wanted) {}

    std::string name;  ///< a host name, or an IP address (IPv6 without brackets)
    address_family family = address_family::any;
    /// The port that is going to be connected to, where that is known: for overrides that hold for
    /// one port only. No part of the question.
    std::uint16_t port = 0;

    [[nodiscard]] const weft::extensions& extensions() const noexcept { return extensions_; }
    void set_extensions(weft::extensions e) noexcept { extensions_ = std::move(e); }

    /// "resolve example.org IPv6": for logs.
    [[nodiscard]] std::string call_name() const {
        std::string text = "resolve " + name;
        if (family != address_family::any) (text += ' ') += to_string(family);
        return text;
    }

    [[nodiscard]] std::optional<resolve_request> replay() const {
        resolve_request copy(name, family);
        copy.port = port;
        copy.extensions_ = extensions_.fork();
        return copy;
    }

  private:
    weft::extensions extensions_;
};

/// Where an answer came from.
enum class answer_source : unsigned char {
    literal,       ///< the name was an IP address
    special,       ///< a name with a meaning of its own: localhost
    static_entry,  ///< somebody wrote it down: dns::overrides
    system,        ///< the operating system's resolver
    server,        ///< a name server that was asked directly
    cache,         ///< kept from an earlier answer
    stale_cache,   ///< kept for longer than it is valid, while it is asked for anew
    network        ///< a testing::network
};

/// "literal", "special", "static", "system", "server", "cache", "stale cache", "network".
std::string_view to_string(answer_source s) noexcept;

/// What a resolver answers: at least one address, in the order in which they should be tried.
struct resolve_answer {
    std::vector<boost::asio::ip::address> addresses;
    /// How long this may be kept, where that is known: the smallest of all records.
    std::optional<std::chrono::seconds> ttl;
    answer_source from = answer_source::system;
    /// The name at the end of the aliases; empty when it is not known.
    std::string canonical_name;
};

/// Any resolver: service<resolve_request> -> resolve_answer. The room dns has them.
using resolver = any_service<resolve_request, resolve_answer>;

}  // namespace weft::net
