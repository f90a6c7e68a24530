// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace weft::tls::detail {

namespace {

/// How much later a key may have been made than a handshake that goes on has begun.
constexpr std::chrono::minutes ahead{1};

void wipe(ticket_keys::key& k) noexcept {
    OPENSSL_cleanse(k.cipher.data(), k.cipher.size());
    OPENSSL_cleanse(k.mac.data(), k.mac.size());
}

}  // namespace

ticket_keys::~ticket_keys() {
    for (key& k : keys_) wipe(k);
}

void ticket_keys::forget(time_point now, std::chrono::seconds lifetime) {
    // The calendar may jump: what was made in the future is as good as old. But `now` is when a
    // handshake began, and others that began later may be through already.
    const auto over = [&](const key& k) {
        return now >= k.made + 2 * lifetime || k.made > now + ahead;
    };
    for (key& k : keys_)
        if (over(k)) wipe(k);
    std::erase_if(keys_, over);
}

ticket_keys::key ticket_keys::newest(time_point now, std::chrono::seconds lifetime) {
    const std::lock_guard lock(mutex_);
    forget(now, lifetime);
    if (keys_.empty() || now >= keys_.front().made + lifetime) {
        key fresh{};
        fresh.made = now;
        if (RAND_bytes(fresh.name.data(), static_cast<int>(fresh.name.size())) != 1 ||
            RAND_priv_bytes(fresh.cipher.data(), static_cast<int>(fresh.cipher.size())) != 1 ||
            RAND_priv_bytes(fresh.mac.data(), static_cast<int>(fresh.mac.size())) != 1)
            throw unusable("there is no randomness");
        keys_.insert(keys_.begin(), fresh);
    }
    return keys_.front();
}

std::optional<ticket_keys::key> ticket_keys::find(const unsigned char* name, time_point now,
                                                  std::chrono::seconds lifetime, bool& renew) {
    const std::lock_guard lock(mutex_);
    forget(now, lifetime);
    for (const key& k : keys_) {
        if (std::memcmp(k.name.data(), name, k.name.size()) != 0) continue;
        renew = now >= k.made + lifetime;
        return k;
    }
    return std::nullopt;
}

bool use(const ticket_keys::key& k, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
         bool encrypt) {
    std::array<unsigned char, 32> mac_key = k.mac;
    std::array<char, 7> digest{'S', 'H', 'A', '2', '5', '6', '\0'};
    const std::array<OSSL_PARAM, 3> parameters{
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    // Fetched once, and never freed: to look it up for each ticket takes as long as to encrypt one.
    static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
    const bool good =
        EVP_CipherInit_ex2(cipher, aes, k.cipher.data(), iv, encrypt ? 1 : 0, nullptr) == 1 &&
        EVP_MAC_CTX_set_params(mac, parameters.data()) == 1;
    OPENSSL_cleanse(mac_key.data(), mac_key.size());
    return good;
}

bool random_iv(unsigned char* iv) noexcept { return RAND_bytes(iv, 16) == 1; }

}  // namespace weft::tls::detail
