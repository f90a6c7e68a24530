// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "client_engine.hpp"

#include "settings.hpp"
#include "verified_host.hpp"

namespace weft::tls {

namespace detail {

// client_context
// -------------------------------------------------------------------------------------------------

client_context::client_context(client_options options)
    : options_(std::move(options)),
      alpn_(alpn_wire(options_.alpn)),
      native_(make_context(TLS_client_method(), options_)),
      sessions_(options_.session_cache) {
    for (const std::string& pin : options_.pins)
        if (!pin.starts_with("sha256/") || pin.size() != 7 + 44)
            throw failure(failure_kind::invalid_input,
                          "a pin is \"sha256/\" and 44 characters of base64")
                .with("pin", pin);
    engine::install(*native_);
    // Always asked for, so that judge() sees it; what it means is decided there.
    SSL_CTX_set_verify(native_.get(), SSL_VERIFY_PEER, nullptr);
    if (options_.verify == verify::peer) {
        believe(*native_, options_.roots);
        if ((options_.roots.empty() || options_.system_roots_too) &&
            SSL_CTX_set_default_verify_paths(native_.get()) != 1)
            throw unusable("the roots of the system cannot be read");
    }
    if (options_.identity) show(*native_, options_.identity);
    SSL_CTX_set_session_cache_mode(
        native_.get(), sessions_.enabled() ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                           : SSL_SESS_CACHE_OFF);
}

// client_engine
// -------------------------------------------------------------------------------------------------

std::string verified_host(const target& to, const connection_settings& settings) {
    std::string host = settings.server_name.value_or(to.host);
    // A name of DNS may end in a dot; in SNI and in certificates it does not (RFC 6066, 3).
    if (host.size() > 1 && host.back() == '.') host.pop_back();
    if (host.empty() || host.find('\0') != std::string::npos)
        throw failure(failure_kind::invalid_input, "TLS needs the name of the server");
    // OpenSSL would take that for any name below it.
    if (host.front() == '.')
        throw failure(failure_kind::invalid_input, "the name of a server begins with a dot")
            .with("host", host);
    return host;
}

client_engine::client_engine(std::shared_ptr<const client_context> context, const target& to,
                             const connection_settings& settings, clock::wall_time_point now,
                             const io::stream_impl& below)
    : engine(context->native(), now, context->options().max_handshake_bytes,
             context->options().kernel_tls ? &below : nullptr),
      context_(std::move(context)),
      host_(verified_host(to, settings)),
      host_is_address_(is_address(host_)),
      session_key_(host_ + ' ' + std::to_string(to.port)) {
    SSL_set_connect_state(ssl());
    clear_errors();
    X509_VERIFY_PARAM* check = SSL_get0_param(ssl());
    bool good = false;
    if (host_is_address_) {
        good = X509_VERIFY_PARAM_set1_ip_asc(check, host_.c_str()) == 1;
    } else {
        X509_VERIFY_PARAM_set_hostflags(
            check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        good = X509_VERIFY_PARAM_set1_host(check, host_.data(), host_.size()) == 1 &&
               SSL_set_tlsext_host_name(ssl(), host_.c_str()) == 1;
    }
    if (!good) throw unusable("TLS cannot ask for this server").with("host", host_);
    const std::string alpn = settings.alpn ? alpn_wire(*settings.alpn) : context_->alpn();
    if (!alpn.empty() &&
        SSL_set_alpn_protos(ssl(), reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size())) != 0)
        throw std::bad_alloc();
    if (const owned_session earlier = context_->sessions().take(session_key_))
        SSL_set_session(ssl(), earlier.get());
}

verdict client_engine::judge(X509_STORE_CTX& chain) {
    verdict v = judge_chain(chain, context_->options().verify, context_->options().pins);
    if (v.good()) context_->certificates().replace(chain);
    return v;
}

void client_engine::keep(SSL_SESSION& session) {
    if (!context_->sessions().enabled() || SSL_SESSION_is_resumable(&session) != 1) return;
    SSL_SESSION_up_ref(&session);
    context_->sessions().put(session_key_, owned_session(&session));
}

tls::info client_engine::info() const {
    tls::info i = engine::info();
    if (!host_is_address_) i.server_name = host_;
    i.peer_verified = context_->options().verify == verify::peer && !i.peer_chain.empty();
    return i;
}

}  // namespace detail

// client_config
// -------------------------------------------------------------------------------------------------

client_config::client_config() : client_config(client_options()) {}
client_config::client_config(client_options options)
    : context_(std::make_shared<const detail::client_context>(std::move(options))) {}

const client_options& client_config::options() const noexcept { return context_->options(); }

}  // namespace weft::tls

std::size_t std::hash<weft::tls::connection_settings>::operator()(
    const weft::tls::connection_settings& s) const noexcept {
    const std::hash<std::string> text;
    std::size_t h = s.server_name ? text(*s.server_name) : 1;
    const auto mix = [&](std::size_t more) { h = h * 1099511628211u + more; };
    if (s.alpn)
        for (const std::string& p : *s.alpn) mix(text(p));
    else
        mix(2);
    return h;
}
