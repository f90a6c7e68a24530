// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "engine.hpp"
#include "session_cache.hpp"
#include "shared_certificates.hpp"
#include <weft/tls/client_config.hpp>
#include <weft/tls/connect.hpp>

#include <memory>
#include <string>

namespace weft::tls::detail {

/// What a client_config was built into.
class client_context {
  public:
    explicit client_context(client_options options);

    [[nodiscard]] const client_options& options() const noexcept { return options_; }
    [[nodiscard]] SSL_CTX& native() const noexcept { return *native_; }
    [[nodiscard]] session_cache& sessions() const noexcept { return sessions_; }
    [[nodiscard]] shared_certificates& certificates() const noexcept { return certificates_; }
    [[nodiscard]] const std::string& alpn() const noexcept { return alpn_; }

  private:
    client_options options_;
    std::string alpn_;
    owned_context native_;
    mutable session_cache sessions_;
    mutable shared_certificates certificates_;
};

/// The client's side of one session.
class client_engine final : public engine {
  public:
    /// `settings` as for tls::handshake.
    client_engine(std::shared_ptr<const client_context> context, const target& to,
                  const connection_settings& settings, clock::wall_time_point now,
                  const io::stream_impl& below);

    [[nodiscard]] tls::info info() const override;
    [[nodiscard]] bool is_server() const noexcept override { return false; }
    /// The name or address that is verified.
    [[nodiscard]] const std::string& host() const noexcept { return host_; }

  private:
    verdict judge(X509_STORE_CTX& chain) override;
    void keep(SSL_SESSION& session) override;
    void log_key(std::string_view line) override { context_->options().dangerous_key_log(line); }

    std::shared_ptr<const client_context> context_;
    std::string host_;
    bool host_is_address_;
    std::string session_key_;
};

}  // namespace weft::tls::detail
