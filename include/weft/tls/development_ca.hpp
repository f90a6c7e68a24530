// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/tls/certificate.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft::tls {

/// What kind of key an identity gets.
enum class key_kind : unsigned char { ecdsa_p256, rsa_2048 };

struct development_options {
    /// The subject's common name; empty: the first name that it is for.
    std::string common_name = {};
    key_kind key = key_kind::ecdsa_p256;
    /// Fixed dates, so that they hold in a test's virtual time too: 2020 to 2049.
    /// time_point::max(): never, which is written as the year 9999.
    certificate::time_point not_before = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1);
    certificate::time_point not_after = std::chrono::sys_days(std::chrono::year(2049) / 12 / 31);
    /// Issued by an intermediate authority, which is part of the chain.
    bool by_intermediate = false;
};

/// A small certificate authority in memory, for tests and for development.
///
///     tls::development_ca ca;
///     tls::server_config server(ca.server({"shop.test", "127.0.0.1"}));
///     tls::client_config client({.roots = {ca.root()}});
///
/// Never for production: the authority's key is in memory, and nothing can be revoked. Copies share
/// the authority. Safe to use from several threads. The functions throw failure when OpenSSL cannot
/// do it.
class development_ca {
  public:
    explicit development_ca(std::string common_name = "weft development CA");

    /// What the other side must believe in.
    [[nodiscard]] const certificate& root() const noexcept;

    /// For a server of these DNS names (wildcards too) and IP addresses.
    [[nodiscard]] identity server(std::vector<std::string> names,
                                  development_options options = {}) const;
    /// For a client that is called so.
    [[nodiscard]] identity client(std::string common_name, development_options options = {}) const;

  private:
    struct authority;
    std::shared_ptr<const authority> authority_;
};

}  // namespace weft::tls
