// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "ends.hpp"

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace tls_test {

/// A peer that speaks with OpenSSL itself, so that it can do what weft does not.
class raw_peer {
  public:
    raw_peer() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
        BIO* in = BIO_new(BIO_s_mem());
        BIO* out = BIO_new(BIO_s_mem());
        BIO_set_mem_eof_return(in, -1);
        SSL_set_bio(ssl_, in, out);
        SSL_set_connect_state(ssl_);
    }
    raw_peer(const raw_peer&) = delete;
    raw_peer& operator=(const raw_peer&) = delete;
    ~raw_peer() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
    }

    SSL* ssl() { return ssl_; }

    /// What it has to say.
    std::string output() {
        char* data = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &data);
        std::string text(data, static_cast<std::size_t>(size));
        static_cast<void>(BIO_reset(SSL_get_wbio(ssl_)));
        return text;
    }

    awaitable<void> handshake(io::stream& s) {
        std::array<char, 8192> memory;
        for (;;) {
            const int result = SSL_do_handshake(ssl_);
            const std::string out = output();
            if (!out.empty()) co_await s.write(asio::buffer(out));
            if (result == 1) co_return;
            const std::size_t n = co_await s.read(asio::buffer(memory));
            REQUIRE(n > 0);
            BIO_write(SSL_get_rbio(ssl_), memory.data(), static_cast<int>(n));
        }
    }

  private:
    SSL_CTX* context_;
    SSL* ssl_;
};

/// A raw client that has shaken hands with a server of weft's.
struct raw_session {
    std::unique_ptr<raw_peer> peer;
    io::stream raw;
    io::stream server;
};
inline awaitable<raw_session> raw_shake(int max_version = TLS1_3_VERSION,
                                        std::size_t capacity = 1 << 20) {
    auto executor = co_await asio::this_coro::executor;
    auto [near, far] = io::duplex(executor, capacity);
    raw_session s{std::make_unique<raw_peer>(), std::move(near), io::stream()};
    SSL_set_max_proto_version(s.peer->ssl(), max_version);
    auto both = co_await when_all(
        attempt(s.peer->handshake(s.raw)),
        attempt(tls::accept(std::move(far), tls::server_config(server_options()))));
    s.server = std::move(std::get<1>(both)).value();
    co_return s;
}

}  // namespace tls_test
