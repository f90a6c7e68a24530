// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "openssl.hpp"
#include <weft/runtime/clock.hpp>

#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

namespace weft::tls::detail {

/// What a server's session tickets are encrypted with (RFC 5077, 4). A key encrypts for one
/// lifetime of a ticket and decrypts for one more; then it is gone, and with it what could decrypt
/// recorded sessions. Shared by the contexts of a server_config, so that tickets outlive a reload.
/// Safe to use from several threads.
class ticket_keys {
  public:
    using time_point = clock::wall_time_point;
    struct key {
        std::array<unsigned char, 16> name;
        std::array<unsigned char, 32> cipher;
        std::array<unsigned char, 32> mac;
        time_point made;
    };

    /// The one to encrypt with.
    key newest(time_point now, std::chrono::seconds lifetime);
    /// The one of that name while it lives, and whether the ticket should be renewed.
    std::optional<key> find(const unsigned char* name, time_point now,
                            std::chrono::seconds lifetime, bool& renew);

    ticket_keys() = default;
    ticket_keys(const ticket_keys&) = delete;
    ticket_keys& operator=(const ticket_keys&) = delete;
    ~ticket_keys();

  private:
    void forget(time_point now, std::chrono::seconds lifetime);

    std::mutex mutex_;
    std::vector<key> keys_;  // newest first
};

/// Prepares OpenSSL to encrypt or decrypt a ticket with this key.
bool use(const ticket_keys::key& k, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
         bool encrypt);

/// A fresh IV for AES.
bool random_iv(unsigned char* iv) noexcept;

}  // namespace weft::tls::detail
