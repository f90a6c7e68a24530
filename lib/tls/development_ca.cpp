// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "openssl.hpp"
#include <weft/tls/development_ca.hpp>

#include <openssl/rand.h>

#include <utility>

namespace weft::tls {

using namespace detail;

namespace {

private_key make_key(key_kind kind) {
    clear_errors();
    EVP_PKEY* made = kind == key_kind::rsa_2048 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    if (!made) throw unusable("a key cannot be made");
    return private_key(made);
}

void check(bool good) {
    if (!good) throw unusable("a certificate cannot be made");
}

/// A certificate on its way to be signed.
class draft {
  public:
    draft(const std::string& common_name, const private_key& key, const development_options& o)
        : x509_(X509_new()) {
        check(x509_ != nullptr && X509_set_version(x509_.get(), X509_VERSION_3) == 1);
        set_serial();
        set_time(X509_getm_notBefore(x509_.get()), o.not_before);
        set_time(X509_getm_notAfter(x509_.get()), o.not_after);
        check(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509_.get()), "CN", MBSTRING_UTF8,
                                         reinterpret_cast<const unsigned char*>(common_name.data()),
                                         static_cast<int>(common_name.size()), -1, 0) == 1);
        check(X509_set_pubkey(x509_.get(), key.native_handle()) == 1);
    }

    /// `value` as in OpenSSL's configuration files.
    void extend(int nid, const std::string& value, const certificate* issuer = nullptr) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer ? issuer->native_handle() : x509_.get(), x509_.get(),
                       nullptr, nullptr, 0);
        const owned<X509_EXTENSION, &X509_EXTENSION_free> made(
            X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
        check(made && X509_add_ext(x509_.get(), made.get(), -1) == 1);
    }

    /// The names by structure, not by text: a name may hold any character.
    void add_names(const std::vector<std::string>& names) {
        const owned<GENERAL_NAMES, &GENERAL_NAMES_free> list(GENERAL_NAMES_new());
        check(list != nullptr);
        for (const std::string& name : names) {
            owned<GENERAL_NAME, &GENERAL_NAME_free> one(GENERAL_NAME_new());
            check(one != nullptr);
            if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str())) {
                GENERAL_NAME_set0_value(one.get(), GEN_IPADD, address);
            } else {
                clear_errors();
                ASN1_IA5STRING* text = ASN1_IA5STRING_new();
                check(text && ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())));
                GENERAL_NAME_set0_value(one.get(), GEN_DNS, text);
            }
            check(sk_GENERAL_NAME_push(list.get(), one.get()) > 0);
            static_cast<void>(one.release());
        }
        check(X509_add1_ext_i2d(x509_.get(), NID_subject_alt_name, list.get(), 0, 0) == 1);
    }

    /// Issued by itself when `issuer` is null.
    certificate sign(const certificate* issuer, const private_key& key) {
        check(X509_set_issuer_name(
                  x509_.get(),
                  X509_get_subject_name(issuer ? issuer->native_handle() : x509_.get())) == 1);
        check(X509_sign(x509_.get(), key.native_handle(), EVP_sha256()) > 0);
        return certificate(x509_.release());
    }

  private:
    void set_serial() {
        unsigned char random[16];
        check(RAND_bytes(random, sizeof random) == 1);
        random[0] &= 0x7f;  // positive
        const owned<BIGNUM, &BN_free> number(BN_bin2bn(random, sizeof random, nullptr));
        check(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509_.get())));
    }
    static void set_time(ASN1_TIME* at, certificate::time_point t) {
        // No well-defined expiration (RFC 5280, 4.1.2.5).
        if (t == certificate::time_point::max())
            return check(ASN1_TIME_set_string_X509(at, "99991231235959Z") == 1);
        check(ASN1_TIME_set(at, seconds_of(t)) != nullptr);
    }

    owned_x509 x509_;
};

identity make_authority(const std::string& name, const identity* issuer) {
    const private_key key = make_key(key_kind::ecdsa_p256);
    draft d(name, key, development_options());
    d.extend(NID_basic_constraints, issuer ? "critical,CA:TRUE,pathlen:0" : "critical,CA:TRUE");
    d.extend(NID_key_usage, "critical,keyCertSign,cRLSign");
    d.extend(NID_subject_key_identifier, "hash");
    std::vector<certificate> chain;
    if (issuer) {
        d.extend(NID_authority_key_identifier, "keyid", &issuer->certificate());
        chain.push_back(d.sign(&issuer->certificate(), issuer->key()));
    } else {
        chain.push_back(d.sign(nullptr, key));
    }
    return identity(std::move(chain), key);
}

identity issue(const identity& by, const std::vector<std::string>& names, const char* purpose,
               bool send_issuer, const development_options& o) {
    const private_key key = make_key(o.key);
    draft d(o.common_name, key, o);
    d.extend(NID_basic_constraints, "critical,CA:FALSE");
    d.extend(NID_key_usage, "critical,digitalSignature");
    d.extend(NID_ext_key_usage, purpose);
    d.extend(NID_subject_key_identifier, "hash");
    d.extend(NID_authority_key_identifier, "keyid", &by.certificate());
    if (!names.empty()) d.add_names(names);
    std::vector<certificate> chain{d.sign(&by.certificate(), by.key())};
    if (send_issuer) chain.push_back(by.certificate());
    return identity(std::move(chain), key);
}

}  // namespace

struct development_ca::authority {
    explicit authority(const std::string& name)
        : root(make_authority(name, nullptr)),
          intermediate(make_authority(name + " intermediate", &root)) {}
    identity root;
    identity intermediate;
};

development_ca::development_ca(std::string common_name)
    : authority_(std::make_shared<const authority>(common_name)) {}

const certificate& development_ca::root() const noexcept { return authority_->root.certificate(); }

identity development_ca::server(std::vector<std::string> names, development_options options) const {
    if (names.empty())
        throw failure(failure_kind::invalid_input, "a server's certificate needs a name");
    if (options.common_name.empty()) options.common_name = names.front();
    const bool intermediate = options.by_intermediate;
    return issue(intermediate ? authority_->intermediate : authority_->root, names, "serverAuth",
                 intermediate, options);
}

identity development_ca::client(std::string common_name, development_options options) const {
    options.common_name = std::move(common_name);
    const bool intermediate = options.by_intermediate;
    return issue(intermediate ? authority_->intermediate : authority_->root, {}, "clientAuth",
                 intermediate, options);
}

}  // namespace weft::tls
