// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "openssl.hpp"
#include <weft/core/printable.hpp>
#include <weft/tls/certificate.hpp>

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>
#include <openssl/pem.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>

namespace weft::tls {

using namespace detail;

namespace {

std::string file_text(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw failure(failure_kind::invalid_input, "the file cannot be read");
    return std::string(std::istreambuf_iterator<char>(in), {});
}

/// Runs `read`, and says in its failure which file it was about.
template <class Read>
auto naming(const std::filesystem::path& file, Read read) {
    try {
        return read();
    } catch (const failure& f) {
        throw failure(f).with("file", file.string());
    }
}

std::string name_text(const X509_NAME* name) {
    const owned_bio out(BIO_new(BIO_s_mem()));
    if (!out) throw std::bad_alloc();
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    return printable(text_of(*out));
}

/// A certificate may be good until the year 9999 (RFC 5280, 4.1.2.5), and time_point ends before.
certificate::time_point time_of(const ASN1_TIME* t) {
    using time_point = certificate::time_point;
    constexpr auto whole_seconds = [](time_point p) {
        return std::chrono::duration_cast<std::chrono::seconds>(p.time_since_epoch());
    };
    std::tm parts{};
    if (ASN1_TIME_to_tm(t, &parts) != 1) throw unusable("the certificate has no valid time");
    const std::chrono::seconds s(timegm(&parts));
    if (s > whole_seconds(time_point::max())) return time_point::max();
    if (s < whole_seconds(time_point::min())) return time_point::min();
    return time_point(s);
}

template <class Object>
std::string der_of(Object* object, int (*encode)(const Object*, unsigned char**)) {
    unsigned char* data = nullptr;
    const int size = encode(object, &data);
    if (size < 0) throw std::bad_alloc();
    std::string text(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    OPENSSL_free(data);
    return text;
}

std::array<unsigned char, 32> sha256(std::string_view data) {
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    if (EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw unusable("SHA-256 is not available");
    return digest;
}

std::string address_text(const ASN1_OCTET_STRING* address) {
    const unsigned char* data = ASN1_STRING_get0_data(address);
    const int size = ASN1_STRING_length(address);
    if (size == 4) {
        boost::asio::ip::address_v4::bytes_type bytes;
        std::copy_n(data, 4, bytes.begin());
        return boost::asio::ip::address_v4(bytes).to_string();
    }
    if (size == 16) {
        boost::asio::ip::address_v6::bytes_type bytes;
        std::copy_n(data, 16, bytes.begin());
        return boost::asio::ip::address_v6(bytes).to_string();
    }
    return {};
}

/// Gives the passphrase to the PEM reader. Without one OpenSSL would ask the terminal.
int give_passphrase(char* buffer, int size, int, void* passphrase) {
    const std::string& text = *static_cast<const std::string*>(passphrase);
    if (text.size() > static_cast<std::size_t>(size)) return -1;
    std::copy(text.begin(), text.end(), buffer);
    return static_cast<int>(text.size());
}

}  // namespace

// certificate
// -------------------------------------------------------------------------------------------------

certificate::certificate(x509_st* taken) : x509_(taken, &X509_free) {}

std::vector<certificate> certificate::all_from_pem(std::string_view text) {
    clear_errors();
    const owned_bio in = memory_bio(text);
    std::vector<certificate> all;
    while (X509* next = PEM_read_bio_X509_AUX(in.get(), nullptr, nullptr, nullptr))
        all.emplace_back(next);
    const unsigned long last = ERR_peek_last_error();
    const bool at_end = ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (all.empty() && at_end) {
        clear_errors();
        throw failure(failure_kind::invalid_input, "there is no certificate in this PEM text");
    }
    if (!at_end) throw unusable("a certificate cannot be read");
    clear_errors();
    return all;
}

certificate certificate::from_pem(std::string_view text) { return all_from_pem(text).front(); }

std::vector<certificate> certificate::all_from_file(const std::filesystem::path& file) {
    return naming(file, [&] { return all_from_pem(file_text(file)); });
}

certificate certificate::from_file(const std::filesystem::path& file) {
    return all_from_file(file).front();
}

certificate certificate::from_der(std::string_view der) {
    clear_errors();
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    X509* read = d2i_X509(nullptr, &data, static_cast<long>(der.size()));
    if (!read) throw unusable("a certificate cannot be read");
    return certificate(read);
}

std::string certificate::subject() const { return name_text(X509_get_subject_name(x509_.get())); }
std::string certificate::issuer() const { return name_text(X509_get_issuer_name(x509_.get())); }

std::vector<std::string> certificate::names() const {
    std::vector<std::string> all;
    const owned<GENERAL_NAMES, &GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(x509_.get(), NID_subject_alt_name, nullptr, nullptr)));
    clear_errors();
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
        if (name->type == GEN_DNS)
            all.push_back(
                printable({reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                           static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}));
        else if (name->type == GEN_IPADD)
            all.push_back(address_text(name->d.iPAddress));
    }
    return all;
}

certificate::time_point certificate::not_before() const {
    return time_of(X509_get0_notBefore(x509_.get()));
}
certificate::time_point certificate::not_after() const {
    return time_of(X509_get0_notAfter(x509_.get()));
}

bool certificate::matches(std::string_view host) const {
    const std::string name(host);
    if (name.starts_with('.')) return false;  // to OpenSSL that is any name below
    const bool found = is_address(name) ? X509_check_ip_asc(x509_.get(), name.c_str(), 0) == 1
                                        : X509_check_host(x509_.get(), name.data(), name.size(),
                                                          X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                              X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                                          nullptr) == 1;
    clear_errors();
    return found;
}

std::string certificate::fingerprint() const {
    std::string text;
    for (const unsigned char c : sha256(der())) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += digits[c >> 4];
        text += digits[c & 15];
    }
    return text;
}

std::string certificate::pin() const {
    const auto digest =
        sha256(der_of<X509_PUBKEY>(X509_get_X509_PUBKEY(x509_.get()), &i2d_X509_PUBKEY));
    std::array<unsigned char, 48> text{};
    const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
    return "sha256/" +
           std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size));
}

std::string certificate::pem() const {
    const owned_bio out(BIO_new(BIO_s_mem()));
    if (!out || PEM_write_bio_X509(out.get(), x509_.get()) != 1) throw std::bad_alloc();
    return text_of(*out);
}

std::string certificate::der() const { return der_of<X509>(x509_.get(), &i2d_X509); }

bool certificate::equals(const certificate& other) const noexcept {
    if (!x509_ || !other.x509_) return x509_ == other.x509_;
    return X509_cmp(x509_.get(), other.x509_.get()) == 0;
}

// private_key
// -------------------------------------------------------------------------------------------------

private_key::private_key(evp_pkey_st* taken) : key_(taken, &EVP_PKEY_free) {}

private_key private_key::from_pem(std::string_view text, const secret<std::string>& passphrase) {
    clear_errors();
    const owned_bio in = memory_bio(text);
    EVP_PKEY* read = PEM_read_bio_PrivateKey(in.get(), nullptr, &give_passphrase,
                                             const_cast<std::string*>(&passphrase.reveal()));
    if (!read) throw unusable("the private key cannot be read");
    return private_key(read);
}

private_key private_key::from_file(const std::filesystem::path& file,
                                   const secret<std::string>& passphrase) {
    return naming(file, [&] { return from_pem(file_text(file), passphrase); });
}

secret<std::string> private_key::pem() const {
    const owned_bio out(BIO_new(BIO_s_secmem()));
    if (!out || PEM_write_bio_PKCS8PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr) != 1)
        throw unusable("the private key cannot be written");
    return secret<std::string>(text_of(*out));
}

bool private_key::belongs_to(const certificate& c) const noexcept {
    const bool fits = X509_check_private_key(c.native_handle(), key_.get()) == 1;
    clear_errors();
    return fits;
}

// identity
// -------------------------------------------------------------------------------------------------

identity::identity(std::vector<tls::certificate> chain, private_key key) {
    if (chain.empty() || !chain.front())
        throw failure(failure_kind::invalid_input, "an identity needs a certificate");
    if (!key) throw failure(failure_kind::invalid_input, "an identity needs a private key");
    if (!key.belongs_to(chain.front()))
        throw failure(failure_kind::invalid_input,
                      "the private key is not that of the first certificate")
            .with("certificate", chain.front().subject());
    held_ = std::make_shared<const content>(content{std::move(chain), std::move(key)});
}

identity identity::from_pem(std::string_view chain, std::string_view key,
                            const secret<std::string>& passphrase) {
    return identity(certificate::all_from_pem(chain), private_key::from_pem(key, passphrase));
}

identity identity::from_files(const std::filesystem::path& chain, const std::filesystem::path& key,
                              const secret<std::string>& passphrase) {
    return identity(certificate::all_from_file(chain), private_key::from_file(key, passphrase));
}

std::string identity::chain_pem() const {
    std::string text;
    for (const tls::certificate& c : held_->chain) text += c.pem();
    return text;
}

}  // namespace weft::tls
