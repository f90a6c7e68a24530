// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "certificate_cache.hpp"
#include "engine.hpp"
#include "ticket_keys.hpp"
#include <weft/tls/client_hello.hpp>
#include <weft/tls/server_config.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weft::tls::detail {

/// What the options of a server_config were built into: one SSL_CTX, and who is shown to whom.
class server_context {
  public:
    server_context(server_options options, std::shared_ptr<ticket_keys> keys);

    [[nodiscard]] const server_options& options() const noexcept { return *options_; }
    [[nodiscard]] const std::shared_ptr<const server_options>& shared_options() const noexcept {
        return options_;
    }
    [[nodiscard]] SSL_CTX& native() const noexcept { return *native_; }
    [[nodiscard]] ticket_keys& tickets() const noexcept { return *keys_; }
    [[nodiscard]] certificate_cache& answers() const noexcept { return answers_; }
    [[nodiscard]] const std::string& alpn() const noexcept { return alpn_; }

    /// Identities that serve a name together: keys of different kinds.
    struct shown {
        std::vector<identity> ids;
        bool to_anyone = false;  ///< the context shows just these
    };
    /// Whom to be for that name (in lower case); null when nobody is for it.
    [[nodiscard]] const shown* find(const std::string& name) const;
    /// Whom to be for a client that did not say.
    [[nodiscard]] const std::vector<identity>& anyone() const noexcept { return anyone_; }

  private:
    void set_clients();
    void set_tickets();
    void index();

    std::shared_ptr<const server_options> options_;
    std::shared_ptr<ticket_keys> keys_;
    std::string alpn_;
    std::unordered_map<std::string, shown> by_name_;
    std::vector<identity> anyone_;
    mutable certificate_cache answers_;
    owned_context native_;
};

/// What all copies of a server_config share.
class server_state {
  public:
    explicit server_state(server_options options)
        : keys_(std::make_shared<ticket_keys>()),
          current_(std::make_shared<const server_context>(std::move(options), keys_)) {}

    [[nodiscard]] std::shared_ptr<const server_context> current() const {
        const std::lock_guard lock(mutex_);
        return current_;
    }
    void reload(server_options options) {
        auto next = std::make_shared<const server_context>(std::move(options), keys_);
        const std::lock_guard lock(mutex_);
        current_.swap(next);
    }

  private:
    const std::shared_ptr<ticket_keys> keys_;
    mutable std::mutex mutex_;
    std::shared_ptr<const server_context> current_;
};

/// The server's side of one session.
class server_engine final : public engine {
  public:
    server_engine(std::shared_ptr<const server_context> context, clock::wall_time_point now,
                  const io::stream_impl& below);

    /// After step::want_identity: who is asked for.
    [[nodiscard]] const client_hello& hello() const noexcept { return hello_; }
    /// The answer to it; empty: the options' identities decide. Then go on with the handshake.
    void answer(identity id) { answer_ = std::move(id); }
    /// The answer is that there is none: going on ends the handshake, the client is told, and
    /// `thrown` gives `e`.
    void refuse(std::exception_ptr e) noexcept { throw_out(std::move(e)); }

    [[nodiscard]] const server_context& context() const noexcept { return *context_; }
    [[nodiscard]] tls::info info() const override;
    [[nodiscard]] bool is_server() const noexcept override { return true; }

  private:
    friend class server_context;

    verdict judge(X509_STORE_CTX& chain) override;
    void hello_came(std::string_view message) override;
    int on_hello(int& alert) override;
    void note_server_name();
    void log_key(std::string_view line) override { context_->options().dangerous_key_log(line); }

    static int choose_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                           const unsigned char* offered, unsigned offered_size, void*) noexcept;
    static int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* mac, int encrypt) noexcept;
    static int seal_ticket(SSL* ssl, void*) noexcept;
    static SSL_TICKET_RETURN open_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*,
                                         std::size_t, SSL_TICKET_STATUS status, void*) noexcept;
    [[nodiscard]] bool may_go_on(SSL_SESSION& session) const;

    std::shared_ptr<const server_context> context_;
    client_hello hello_;  // all of it for a certificate service, until it is chosen; else the name
    std::optional<identity> answer_;
    bool chosen_ = false;
};

}  // namespace weft::tls::detail
