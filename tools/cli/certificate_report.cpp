// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "certificate_report.hpp"

#include <weft/core/printable.hpp>

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>
#include <chrono>

namespace weft::cli {

namespace {

/// "EC P-256", "RSA 2048 bits", "ED25519".
std::string key_of(const tls::certificate& c) {
    EVP_PKEY* const key = X509_get0_pubkey(c.native_handle());
    if (!key) return "unknown";
    const char* const kind = EVP_PKEY_get0_type_name(key);
    std::array<char, 64> group{};
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1) {
        const std::string_view name(group.data());
        return fmt::format("{} {}", kind, name == "prime256v1" ? "P-256" : name);
    }
    if (EVP_PKEY_is_a(key, "RSA")) return fmt::format("RSA {} bits", EVP_PKEY_get_bits(key));
    return kind ? kind : "unknown";
}

std::string signature_of(const tls::certificate& c) {
    const char* const name = OBJ_nid2ln(X509_get_signature_nid(c.native_handle()));
    return name ? name : "unknown";
}

std::string left_of(const tls::certificate& c, tls::certificate::time_point now) {
    if (now < c.not_before()) return "not good yet";
    if (now > c.not_after()) return "EXPIRED";
    const auto days = std::chrono::duration_cast<std::chrono::days>(c.not_after() - now).count();
    return fmt::format("{} {} left", days, days == 1 ? "day" : "days");
}

}  // namespace

std::string certificate_lines(const tls::certificate& c, tls::certificate::time_point now) {
    std::string names;
    for (const std::string& one : c.names()) names += (names.empty() ? "" : ", ") + one;
    return fmt::format(
        "certificate: {}\n  issuer: {}\n{}  valid: {} to {}, {}\n  key: {}\n  signature: {}\n"
        "  sha256: {}\n  pin: {}\n",
        c.subject(), c.issuer(), names.empty() ? "" : "  names: " + names + "\n",
        date_of(c.not_before()), date_of(c.not_after()), left_of(c, now), key_of(c),
        signature_of(c), c.fingerprint(), c.pin());
}

std::string date_of(tls::certificate::time_point t) {
    if (t == tls::certificate::time_point::max()) return "for ever";
    if (t == tls::certificate::time_point::min()) return "always";
    return fmt::format("{:%Y-%m-%d}", std::chrono::time_point_cast<std::chrono::seconds>(t));
}

std::string session_lines(const tls::info& session) {
    std::string text = fmt::format("* {}\n", printable(tls::to_string(session)));
    if (session.peer_chain.empty()) return text;
    const tls::certificate& shown = session.peer_chain.front();
    const std::string until = date_of(shown.not_after());
    return text + fmt::format("* certificate of {}\n*   issued by {}, good {}{}, {}\n",
                              shown.subject(), shown.issuer(), until == "for ever" ? "" : "until ",
                              until, session.peer_verified ? "verified" : "NOT VERIFIED");
}

}  // namespace weft::cli
