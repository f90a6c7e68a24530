// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/extensions.hpp>
#include <weft/io/stream.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace weft::net {

/// What a connector is asked: a connection to this host and port.
///
///     net::connect_request to("example.org", 443);
///     to.scheme = "https";
///     io::stream s = co_await connect.serve(std::move(to));
///
/// A value like any other request of weft: layers may change where it goes, and read or add
/// extensions. It can be replayed: the copy's extensions are a fork of the original's.
class connect_request {
  public:
    connect_request() = default;
    connect_request(std::string host_name, std::uint16_t port_number)
        : host(std::move(host_name)), port(port_number) {}

    std::string host;  ///< a name, or an IP address (IPv6 without brackets)
    std::uint16_t port = 0;
    std::string scheme;  ///< who asks: "http", "https", ...; empty when it does not matter

    [[nodiscard]] const weft::extensions& extensions() const noexcept { return extensions_; }
    void set_extensions(weft::extensions e) noexcept { extensions_ = std::move(e); }

    [[nodiscard]] std::optional<connect_request> replay() const {
        connect_request copy(host, port);
        copy.scheme = scheme;
        copy.extensions_ = extensions_.fork();
        return copy;
    }

  private:
    weft::extensions extensions_;
};

/// Any connector: service<connect_request> -> io::stream. TCP is one (net/tcp.hpp); TLS, proxy
/// tunnels and tests are others.
using connector = any_service<connect_request, io::stream>;

}  // namespace weft::net
