// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "certificate_report.hpp"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>
#include <chrono>
#include <cstddef>

namespace weft::cli {

namespace {

/// How many bytes of UTF-8 begin `text` with one printable character; 0: none does (RFC 3629).
std::size_t character(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < n) return 0;
    char32_t code = first & (0x7fU >> n);
    for (std::size_t i = 1; i < n; ++i) {
        if ((at(i) & 0xc0) != 0x80) return 0;
        code = code << 6 | (at(i) & 0x3fU);
    }
    const bool longer_than_needed = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    // C1, and what turns the direction of writing around.
    const bool controls = (code >= 0x80 && code < 0xa0) || code == 0x200e || code == 0x200f ||
                          (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return longer_than_needed || surrogate || controls || code > 0x10ffff ? 0 : n;
}

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
    for (const std::string& one : c.names()) names += (names.empty() ? "" : ", ") + printable(one);
    return fmt::format(
        "certificate: {}\n  issuer: {}\n{}  valid: {} to {}, {}\n  key: {}\n  signature: {}\n"
        "  sha256: {}\n  pin: {}\n",
        printable(c.subject()), printable(c.issuer()),
        names.empty() ? "" : "  names: " + names + "\n", date_of(c.not_before()),
        date_of(c.not_after()), left_of(c, now), key_of(c), signature_of(c), c.fingerprint(),
        c.pin());
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t n = character(text);
        if (n == 0)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
        else
            out += text.substr(0, n);
        text.remove_prefix(n == 0 ? 1 : n);
    }
    return out;
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
                              printable(shown.subject()), printable(shown.issuer()),
                              until == "for ever" ? "" : "until ", until,
                              session.peer_verified ? "verified" : "NOT VERIFIED");
}

}  // namespace weft::cli
