// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "server_engine.hpp"

#include "client_hello_parser.hpp"
#include "settings.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>

namespace weft::tls::detail {

server_engine::server_engine(std::shared_ptr<const server_context> context,
                             clock::wall_time_point now, const io::stream_impl& below)
    : engine(context->native(), now, context->options().max_handshake_bytes,
             context->options().kernel_tls ? &below : nullptr),
      context_(std::move(context)) {
    SSL_set_accept_state(ssl());
}

namespace {

/// A ClientHello is larger than a few KiB only by intent, and OpenSSL keeps parts of it as long as
/// the connection: protocols, groups, signature algorithms.
constexpr std::size_t max_hello = 16 * 1024;

}  // namespace

void server_engine::hello_came(std::string_view message) {
    if (message.size() > max_hello)
        throw failure(failure_kind::protocol, "the client's first message is too large")
            .with("bytes", static_cast<long long>(message.size()))
            .in(failure_domain::protocol)
            .delivered(delivery::not_sent);
    // After a HelloRetryRequest it comes again, and may not have changed (RFC 8446, 4.1.2). Only a
    // service wants to see all of it.
    if (!chosen_ && context_->options().certificates) parse_hello_message(message, hello_);
}

void server_engine::note_server_name() {
    const unsigned char* name = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl(), TLSEXT_TYPE_server_name, &name, &size) == 1)
        parse_server_name({reinterpret_cast<const char*>(name), size}, hello_.server_name);
}

int server_engine::on_hello(int& alert) {
    if (chosen_) return SSL_CLIENT_HELLO_SUCCESS;
    if (!answer_ && context_->options().certificates) return SSL_CLIENT_HELLO_RETRY;
    chosen_ = true;
    if (context_->options().certificates) {
        client_hello kept;  // the rest may be large, and a connection lives for long
        kept.server_name = std::move(hello_.server_name);
        hello_ = std::move(kept);
    } else {
        note_server_name();
    }
    if (answer_ && *answer_) {
        show(*ssl(), {&*answer_, 1});
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    const server_context::shown* found =
        hello_.server_name.empty() ? nullptr : context_->find(hello_.server_name);
    if (found) {
        if (!found->to_anyone) show(*ssl(), found->ids);
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

/// A ticket remembers when its session began: going on gives new tickets, but does not make the
/// look that was taken at the client's certificate any younger.
int server_engine::seal_ticket(SSL* ssl, void*) noexcept {
    SSL_SESSION* session = SSL_get_session(ssl);
    if (!session || !SSL_SESSION_get0_peer(session)) return 1;
    void* data = nullptr;
    std::size_t size = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) == 1 && size > 0) return 1;
    const std::int64_t begun = seconds_of(static_cast<server_engine&>(of(ssl)).now());
    return SSL_SESSION_set1_ticket_appdata(session, &begun, sizeof begun);
}

/// A session that may not go on is no failure: a full handshake follows, which looks anew.
SSL_TICKET_RETURN server_engine::open_ticket(SSL* ssl, SSL_SESSION* session, const unsigned char*,
                                             std::size_t, SSL_TICKET_STATUS status,
                                             void*) noexcept {
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    const auto& self = static_cast<const server_engine&>(of(ssl));
    if (!self.may_go_on(*session)) return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/// Whether what the full handshake found about the client's certificate may still be believed.
bool server_engine::may_go_on(SSL_SESSION& session) const {
    const X509* shown = SSL_SESSION_get0_peer(&session);
    if (!shown) return true;
    std::time_t now_s = seconds_of(now());
    if (X509_cmp_time(X509_get0_notAfter(shown), &now_s) <= 0) return false;
    void* data = nullptr;
    std::size_t size = 0;
    std::int64_t begun = 0;
    if (SSL_SESSION_get0_ticket_appdata(&session, &data, &size) != 1 || size != sizeof begun)
        return false;
    std::memcpy(&begun, data, sizeof begun);
    constexpr std::int64_t clock_step = 60;  // what a calendar may be set back by
    return begun <= now_s + clock_step &&
           now_s - begun < context_->options().client_session_limit.count();
}

}  // namespace weft::tls::detail
