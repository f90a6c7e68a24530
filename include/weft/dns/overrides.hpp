// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/dns/answer.hpp>

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::dns {

/// A name whose addresses are written down.
struct override_entry {
    std::string name;  ///< "*" stands for any name
    std::vector<boost::asio::ip::address> addresses;
    std::uint16_t port = 0;  ///< only for connections to this port; 0: for all
};

/// Reads curl's `HOST:PORT:ADDRESS[,ADDRESS]...`, IPv6 addresses with or without brackets, PORT
/// perhaps `*`. Throws failure, kind invalid_input, that quotes the text.
override_entry parse_override(std::string_view text);

/// A layer of names whose addresses are given, for one client, as curl's `--resolve` does:
///
///     dns::resolver names = dns::overrides({
///         {"api.test", {asio::ip::make_address("192.0.2.7")}},
///         dns::parse_override("shop.test:443:192.0.2.8,[2001:db8::8]"),
///     }) >> dns::default_resolver();
///
/// Names are compared without regard to case. A name goes before `*`, then an entry with a port
/// before one without, then an earlier one before a later. A name that has an entry, but none of
/// the family that is asked for, has no address (no_data): nobody else is asked. Copies share the
/// entries, which do not change.
class overrides : public pipeable {
  public:
    /// Throws failure, kind invalid_input, for an entry without a name or without addresses.
    explicit overrides(std::vector<override_entry> entries);

    template <class Next>
    awaitable<answer> serve(net::resolve_request what, const Next& next) const {
        if (auto known = find(what)) co_return std::move(*known);
        co_return co_await next(std::move(what));
    }

  private:
    [[nodiscard]] std::optional<answer> find(const net::resolve_request& what) const;

    std::shared_ptr<const std::vector<override_entry>> entries_;
};

}  // namespace weft::dns
