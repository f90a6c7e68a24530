// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/tls/options.hpp>

#include <cstddef>
#include <functional>
#include <memory>

namespace weft::tls {

namespace detail {
class server_state;
}

/// How a server speaks TLS: made from options once, used for any number of connections, on any
/// number of cores.
///
///     tls::server_options options;
///     options.identities = {tls::identity::from_files("chain.pem", "key.pem")};
///     options.alpn = {"h2", "http/1.1"};
///     tls::server_config config(std::move(options));
///     co_await net::serve(":8443", tls::acceptor(config) >> echo);
///
/// Copies share what was built, and `reload` reaches all of them: a certificate that was renewed is
/// shown from the next handshake on, connections that stand are not touched. Safe to use from
/// several threads.
class server_config {
  public:
    /// Throws failure, kind invalid_input, that says which option cannot be used: there must be an
    /// identity, or a service for them.
    explicit server_config(server_options options);
    /// With one identity, and otherwise the defaults.
    explicit server_config(identity id);

    /// New options for all copies. Sessions of before can be resumed as long as the new options ask
    /// the clients for the same certificates. When it throws, as the constructor does, nothing has
    /// changed.
    void reload(server_options options) const;

    /// The newest.
    [[nodiscard]] std::shared_ptr<const server_options> options() const;

    friend bool operator==(const server_config&, const server_config&) noexcept = default;
    [[nodiscard]] std::size_t hash() const noexcept {
        return std::hash<const void*>()(state_.get());
    }

    /// For the library.
    [[nodiscard]] const std::shared_ptr<detail::server_state>& state() const noexcept {
        return state_;
    }

  private:
    std::shared_ptr<detail::server_state> state_;
};

}  // namespace weft::tls

template <>
struct std::hash<weft::tls::server_config> {
    std::size_t operator()(const weft::tls::server_config& c) const noexcept { return c.hash(); }
};
