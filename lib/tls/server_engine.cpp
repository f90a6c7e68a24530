// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "server_engine.hpp"

#include "client_hello_parser.hpp"
#include "settings.hpp"

#include <algorithm>
#include <cstring>

namespace weft::tls::detail {

server_engine::server_engine(std::shared_ptr<const server_context> context,
                             clock::wall_time_point now)
    : engine(context->native(), now, context->options().max_handshake_bytes),
      context_(std::move(context)) {
    SSL_set_accept_state(ssl());
}

void server_engine::hello_came(std::string_view message) {
    // After a HelloRetryRequest it comes again, and may not have changed (RFC 8446, 4.1.2).
    if (!chosen_) parse_hello_message(message, hello_);
}

int server_engine::on_hello(int& alert) {
    if (chosen_) return SSL_CLIENT_HELLO_SUCCESS;
    if (!answer_ && context_->options().certificates) return SSL_CLIENT_HELLO_RETRY;
    chosen_ = true;
    if (answer_ && *answer_) {
        show(*ssl(), {&*answer_, 1});
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const std::vector<identity>* found =
        hello_.server_name.empty() ? nullptr : context_->find(hello_.server_name);
    if (found) {
        if (found->front().chain() != context_->anyone().front().chain()) show(*ssl(), *found);
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const bool refused = !hello_.server_name.empty() && context_->options().refuse_unknown_names;
    if (!refused && !context_->anyone().empty()) return SSL_CLIENT_HELLO_SUCCESS;
    alert = SSL_AD_UNRECOGNIZED_NAME;
    throw_out(std::make_exception_ptr(
        failure(failure_kind::authentication, "there is no certificate for the name asked for")
            .with("name", hello_.server_name)
            .in(failure_domain::transport)
            .delivered(delivery::not_sent)));
    return SSL_CLIENT_HELLO_ERROR;
}

verdict server_engine::judge(X509_STORE_CTX& chain) { return judge_chain(chain, verify::peer, {}); }

verdict server_engine::judge_session() {
    // A ticket outlives the look that was taken at the client's certificate.
    verdict v;
    X509* shown = SSL_get0_peer_certificate(ssl());
    if (!shown || SSL_session_reused(ssl()) != 1) return v;
    X509_up_ref(shown);
    const certificate c(shown);
    if (now() < c.not_after()) return v;
    v.out_of_time = true;
    v.certificate = c.subject();
    return v;
}

tls::info server_engine::info() const {
    tls::info i = engine::info();
    i.server_name = hello_.server_name;
    i.peer_verified = !i.peer_chain.empty();
    return i;
}

int server_engine::choose_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                               const unsigned char* offered, unsigned offered_size,
                               void*) noexcept {
    // Ours in their order; of a client that knows none of them we know nothing (RFC 7301, 3.2).
    const std::string_view client(reinterpret_cast<const char*>(offered), offered_size);
    const std::string& ours = static_cast<server_engine&>(of(ssl)).context_->alpn();
    for (std::size_t i = 0; i < ours.size(); i += 1u + static_cast<unsigned char>(ours[i])) {
        const std::string_view name(ours.data() + i, 1u + static_cast<unsigned char>(ours[i]));
        for (std::size_t j = 0; j < client.size();
             j += 1u + static_cast<unsigned char>(client[j])) {
            if (client.substr(j, name.size()) != name) continue;
            *chosen = offered + j + 1;
            *size = static_cast<unsigned char>(name[0]);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int server_engine::ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv,
                              EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt) noexcept {
    auto& self = static_cast<server_engine&>(of(ssl));
    ticket_keys& keys = self.context_->tickets();
    const auto lifetime = self.context_->options().ticket_lifetime;
    try {
        if (encrypt) {
            const ticket_keys::key k = keys.newest(self.now(), lifetime);
            std::memcpy(name, k.name.data(), k.name.size());
            if (!random_iv(iv)) return -1;
            return use(k, iv, cipher, mac, true) ? 1 : -1;
        }
        bool renew = false;
        const auto k = keys.find(name, self.now(), lifetime, renew);
        if (!k) return 0;  // of a key that is gone: a full handshake
        if (!use(*k, iv, cipher, mac, false)) return -1;
        // In TLS 1.3 a ticket is used once: who comes with one gets the next.
        return renew || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
    } catch (...) {
        self.throw_out(std::current_exception());
        return -1;
    }
}

}  // namespace weft::tls::detail
