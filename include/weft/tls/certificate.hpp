// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>
#include <weft/core/secret.hpp>
#include <weft/runtime/clock.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// OpenSSL's, by name only.
struct x509_st;
struct evp_pkey_st;

namespace weft::tls {

/// One X.509 certificate: an immutable value whose copies share one object.
///
///     auto root = tls::certificate::from_file("ca.pem");
///     fmt::print("{} until {}\n", root.subject(), root.not_after().time_since_epoch().count());
///
/// A default-constructed one is empty: ask `if (c)` before anything else. All functions may be
/// called from several threads.
class certificate {
  public:
    using time_point = clock::wall_time_point;

    certificate() noexcept = default;
    /// Takes one reference to OpenSSL's object over (tls/native.hpp and the library itself).
    explicit certificate(x509_st* taken);

    /// The first certificate of a PEM text or file. Throws failure, kind invalid_input, when there
    /// is none.
    [[nodiscard]] static certificate from_pem(std::string_view text);
    [[nodiscard]] static certificate from_file(const std::filesystem::path& file);
    [[nodiscard]] static certificate from_der(std::string_view der);
    /// All of them, in their order; at least one.
    [[nodiscard]] static std::vector<certificate> all_from_pem(std::string_view text);
    [[nodiscard]] static std::vector<certificate> all_from_file(const std::filesystem::path& file);

    [[nodiscard]] explicit operator bool() const noexcept { return x509_ != nullptr; }

    /// "CN=shop.test,O=Shop" (RFC 2253). Here and in `names`, what would control a terminal is
    /// escaped.
    [[nodiscard]] std::string subject() const;
    [[nodiscard]] std::string issuer() const;
    /// What it is for, from its subjectAltName: DNS names, and addresses in text.
    [[nodiscard]] std::vector<std::string> names() const;
    /// What a time_point cannot hold (certificates may be good until 9999) is its end.
    [[nodiscard]] time_point not_before() const;
    [[nodiscard]] time_point not_after() const;
    /// Whether it is for that DNS name (wildcards count for one whole label) or IP address. The
    /// subject's common name does not count (RFC 9110, 4.3.4).
    [[nodiscard]] bool matches(std::string_view host) const;
    /// SHA-256 of the certificate, in lower-case hex.
    [[nodiscard]] std::string fingerprint() const;
    /// SHA-256 of its public key in base64, as a pin is written: "sha256/...".
    [[nodiscard]] std::string pin() const;
    [[nodiscard]] std::string pem() const;
    [[nodiscard]] std::string der() const;

    [[nodiscard]] x509_st* native_handle() const noexcept { return x509_.get(); }

    /// The same bytes.
    friend bool operator==(const certificate& a, const certificate& b) noexcept {
        return a.equals(b);
    }

  private:
    [[nodiscard]] bool equals(const certificate& other) const noexcept;
    std::shared_ptr<x509_st> x509_;
};

/// A private key: it is used, and never printed. Copies share one object.
///
///     auto key = tls::private_key::from_file("key.pem");
class private_key {
  public:
    private_key() noexcept = default;
    /// Takes one reference to OpenSSL's object over.
    explicit private_key(evp_pkey_st* taken);

    /// From PEM (PKCS #8, PKCS #1 or SEC 1), perhaps encrypted. Throws failure, kind invalid_input,
    /// when it holds no key or the passphrase does not fit; the text of the key is in no message.
    [[nodiscard]] static private_key from_pem(std::string_view text,
                                              const secret<std::string>& passphrase = {});
    [[nodiscard]] static private_key from_file(const std::filesystem::path& file,
                                               const secret<std::string>& passphrase = {});

    [[nodiscard]] explicit operator bool() const noexcept { return key_ != nullptr; }
    /// PKCS #8, not encrypted: for who must write it to a file.
    [[nodiscard]] secret<std::string> pem() const;
    [[nodiscard]] bool belongs_to(const certificate& c) const noexcept;

    [[nodiscard]] evp_pkey_st* native_handle() const noexcept { return key_.get(); }

  private:
    std::shared_ptr<evp_pkey_st> key_;
};

/// Who one side of a connection is: a certificate with the ones that vouch for it, and its key.
///
///     tls::server_config config(tls::identity::from_files("chain.pem", "key.pem"));
///
/// The constructors throw failure, kind invalid_input, when the chain is empty or the key is not
/// the first certificate's. Copies share everything.
class identity {
  public:
    identity() noexcept = default;
    /// `chain`: the own certificate first, then its issuers; the root may be left out.
    identity(std::vector<tls::certificate> chain, private_key key);
    [[nodiscard]] static identity from_pem(std::string_view chain, std::string_view key,
                                           const secret<std::string>& passphrase = {});
    [[nodiscard]] static identity from_files(const std::filesystem::path& chain,
                                             const std::filesystem::path& key,
                                             const secret<std::string>& passphrase = {});

    [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }
    /// The own certificate.
    [[nodiscard]] const tls::certificate& certificate() const noexcept {
        return held_->chain.front();
    }
    [[nodiscard]] const std::vector<tls::certificate>& chain() const noexcept {
        return held_->chain;
    }
    [[nodiscard]] const private_key& key() const noexcept { return held_->key; }
    /// The chain in PEM, as servers want it in a file.
    [[nodiscard]] std::string chain_pem() const;

  private:
    struct content {
        std::vector<tls::certificate> chain;
        private_key key;
    };
    std::shared_ptr<const content> held_;
};

}  // namespace weft::tls
