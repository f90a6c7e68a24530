// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/connection_scoped.hpp>
#include <weft/tls/options.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::tls {

namespace detail {
class client_context;
}

/// How a client speaks TLS: made from options once, used for any number of connections.
///
///     tls::client_config config({.roots = tls::certificate::all_from_file("ca.pem")});
///     auto connect = tls::connect(config) >> net::tcp::connector();
///
/// Copies share what was built: the roots and the sessions for resumption. Two are equal when they
/// are copies of one; it is part of a pool's key, also where a request brings its own in its
/// extensions. Immutable, and safe to use from several threads.
class client_config {
  public:
    /// The defaults: the system's roots, TLS 1.2 and 1.3. Reading the roots takes milliseconds, so
    /// make one and copy it.
    client_config();
    /// Throws failure, kind invalid_input, that says which option cannot be used.
    explicit client_config(client_options options);

    [[nodiscard]] const client_options& options() const noexcept;

    friend bool operator==(const client_config&, const client_config&) noexcept = default;
    [[nodiscard]] std::size_t hash() const noexcept {
        return std::hash<const void*>()(context_.get());
    }

    /// For the library.
    [[nodiscard]] const std::shared_ptr<const detail::client_context>& context() const noexcept {
        return context_;
    }

  private:
    std::shared_ptr<const detail::client_context> context_;
};

/// What one connection does otherwise than its client_config says: in the extensions of a request.
///
///     net::connect_request to("192.0.2.7", 443);
///     tls::connection_settings only{.server_name = "shop.test"};
///     to.extensions().insert(only);
///
/// An unset field leaves it to the configuration. (A whole client_config in the extensions takes
/// the place of the layer's.)
struct connection_settings {
    /// The name to ask for and to verify, instead of the host that is connected to.
    std::optional<std::string> server_name = {};
    std::optional<std::vector<std::string>> alpn = {};

    friend bool operator==(const connection_settings&, const connection_settings&) = default;
};

}  // namespace weft::tls

template <>
struct std::hash<weft::tls::client_config> {
    std::size_t operator()(const weft::tls::client_config& c) const noexcept { return c.hash(); }
};
template <>
struct std::hash<weft::tls::connection_settings> {
    std::size_t operator()(const weft::tls::connection_settings& s) const noexcept;
};
template <>
inline constexpr bool weft::connection_scoped<weft::tls::client_config> = true;
template <>
inline constexpr bool weft::connection_scoped<weft::tls::connection_settings> = true;
