// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "settings.hpp"

#include <algorithm>

namespace weft::tls::detail {

namespace {

void set_versions(SSL_CTX& context, version min, version max) {
    if (min > max || min < version::tls_1_2 || max > version::tls_1_3)
        throw failure(failure_kind::invalid_input,
                      "TLS from min_version to max_version is no range of TLS 1.2 and 1.3");
    SSL_CTX_set_min_proto_version(&context, static_cast<int>(min));
    SSL_CTX_set_max_proto_version(&context, static_cast<int>(max));
}

void set_ciphers(SSL_CTX& context, const cipher_choice& ciphers) {
    clear_errors();
    if (SSL_CTX_set_cipher_list(&context, ciphers.tls_1_2.c_str()) != 1)
        throw unusable("the ciphers of TLS 1.2 cannot be used").with("ciphers", ciphers.tls_1_2);
    if (SSL_CTX_set_ciphersuites(&context, ciphers.tls_1_3.c_str()) != 1)
        throw unusable("the ciphers of TLS 1.3 cannot be used").with("ciphers", ciphers.tls_1_3);
    if (SSL_CTX_set1_groups_list(&context, ciphers.groups.c_str()) != 1)
        throw unusable("the groups cannot be used").with("groups", ciphers.groups);
}

/// The chain without its first certificate, as OpenSSL wants it. Owns the list, not the items.
auto issuers_of(const identity& id) {
    struct free_list {
        void operator()(STACK_OF(X509) * list) const noexcept { sk_X509_free(list); }
    };
    std::unique_ptr<STACK_OF(X509), free_list> list(sk_X509_new_null());
    if (!list) throw std::bad_alloc();
    for (std::size_t i = 1; i < id.chain().size(); ++i)
        if (sk_X509_push(list.get(), id.chain()[i].native_handle()) == 0) throw std::bad_alloc();
    return list;
}

failure not_shown(const identity& id) {
    return unusable("the identity cannot be used").with("certificate", id.certificate().subject());
}

}  // namespace

template <class Options>
owned_context make_context(const SSL_METHOD* method, const Options& options) {
    clear_errors();
    owned_context made(SSL_CTX_new(method));
    if (!made) throw std::bad_alloc();
    SSL_CTX& context = *made;
    set_versions(context, options.min_version, options.max_version);
    set_ciphers(context, options.ciphers);
    SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    // The lists of certificates that a peer may send.
    SSL_CTX_set_max_cert_list(&context, static_cast<long>(options.max_handshake_bytes));
    if (options.dangerous_key_log)
        SSL_CTX_set_keylog_callback(&context, engine::key_log_callback());
    return made;
}
template owned_context make_context(const SSL_METHOD*, const client_options&);
template owned_context make_context(const SSL_METHOD*, const server_options&);

std::string alpn_wire(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& p : protocols) {
        if (p.empty() || p.size() > 255)
            throw failure(failure_kind::invalid_input,
                          "a name of ALPN has between 1 and 255 bytes (RFC 7301)");
        wire += static_cast<char>(p.size());
        wire += p;
    }
    if (wire.size() > 65535)
        throw failure(failure_kind::invalid_input, "too many names of ALPN (RFC 7301)");
    return wire;
}

void show(SSL_CTX& context, const identity& id) {
    clear_errors();
    const auto issuers = issuers_of(id);
    if (SSL_CTX_use_cert_and_key(&context, id.certificate().native_handle(),
                                 id.key().native_handle(), issuers.get(), 1) != 1)
        throw not_shown(id);
}

void show(SSL& ssl, std::span<const identity> ids) {
    clear_errors();
    SSL_certs_clear(&ssl);
    for (const identity& id : ids) {
        const auto issuers = issuers_of(id);
        if (SSL_use_cert_and_key(&ssl, id.certificate().native_handle(), id.key().native_handle(),
                                 issuers.get(), 1) != 1)
            throw not_shown(id);
    }
}

void believe(SSL_CTX& context, const std::vector<certificate>& roots) {
    clear_errors();
    X509_STORE* store = SSL_CTX_get_cert_store(&context);
    for (const certificate& root : roots)
        if (!root || X509_STORE_add_cert(store, root.native_handle()) != 1)
            throw unusable("a root certificate cannot be used");
    // Each of them is an end of the chain, self-signed or not.
    if (!roots.empty()) X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

verdict judge_chain(X509_STORE_CTX& chain, verify how, const std::vector<std::string>& pins) {
    verdict v;
    const auto about = [&](X509* c) {
        if (!c) return;
        X509_up_ref(c);
        v.certificate = certificate(c).subject();
    };
    clear_errors();
    if (how == verify::peer && X509_verify_cert(&chain) != 1) {
        v.code = X509_STORE_CTX_get_error(&chain);
        if (v.code == X509_V_OK) v.code = X509_V_ERR_UNSPECIFIED;
        X509* at_fault = X509_STORE_CTX_get_current_cert(&chain);
        about(at_fault ? at_fault : X509_STORE_CTX_get0_cert(&chain));
        clear_errors();
        return v;
    }
    if (pins.empty()) return v;
    const auto pinned = [&](X509* c) {
        X509_up_ref(c);
        return std::find(pins.begin(), pins.end(), certificate(c).pin()) != pins.end();
    };
    // An unverified chain is what anybody may have copied: then only the own key counts.
    bool found = pinned(X509_STORE_CTX_get0_cert(&chain));
    if (how == verify::peer) {
        const STACK_OF(X509)* verified = X509_STORE_CTX_get0_chain(&chain);
        for (int i = 0; !found && i < sk_X509_num(verified); ++i)
            found = pinned(sk_X509_value(verified, i));
    }
    if (!found) {
        v.wrong_key = true;
        about(X509_STORE_CTX_get0_cert(&chain));
    }
    return v;
}

}  // namespace weft::tls::detail
