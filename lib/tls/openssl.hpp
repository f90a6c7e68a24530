// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/failure.hpp>
#include <weft/runtime/clock.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

namespace weft::tls::detail {

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
template <class T, auto Free>
using owned = std::unique_ptr<T, freed_by<Free>>;

using owned_ssl = owned<SSL, &SSL_free>;
using owned_context = owned<SSL_CTX, &SSL_CTX_free>;
using owned_session = owned<SSL_SESSION, &SSL_SESSION_free>;
using owned_bio = owned<BIO, &BIO_free_all>;
using owned_x509 = owned<X509, &X509_free>;
using owned_key = owned<EVP_PKEY, &EVP_PKEY_free>;
using owned_key_context = owned<EVP_PKEY_CTX, &EVP_PKEY_CTX_free>;

/// OpenSSL's errors are a queue per thread: whoever asks for one must have emptied it before the
/// call that fails. (Looking first is a tenth of the work, and mostly there is none.)
inline void clear_errors() noexcept {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

/// The reason of the oldest error, in OpenSSL's words, and the queue is empty: "certificate verify
/// failed". Empty when there is none. No data of the caller is ever in it.
inline std::string take_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return {};
    if (const char* reason = ERR_reason_error_string(code)) return reason;
    return "error " + std::to_string(ERR_GET_REASON(code));
}

/// A failure of kind invalid_input: what the caller gave cannot be used.
inline failure unusable(std::string what,
                        std::source_location where = std::source_location::current()) {
    const std::string reason = take_error();
    if (!reason.empty()) what += ": " + reason;
    return failure(failure_kind::invalid_input, std::move(what), where);
}

inline owned_bio memory_bio(std::string_view text) {
    owned_bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    if (!bio) throw std::bad_alloc();
    return bio;
}

inline std::string text_of(BIO& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(&bio, &data);
    return std::string(data, static_cast<std::size_t>(size));
}

/// A point in time as OpenSSL wants it.
inline std::time_t seconds_of(clock::wall_time_point t) noexcept {
    return std::chrono::duration_cast<std::chrono::seconds>(t.time_since_epoch()).count();
}

/// Whether the text is an IPv4 or IPv6 address (without brackets).
inline bool is_address(const std::string& host) noexcept {
    const owned<ASN1_OCTET_STRING, &ASN1_OCTET_STRING_free> address(a2i_IPADDRESS(host.c_str()));
    ERR_clear_error();
    return address != nullptr;
}

}  // namespace weft::tls::detail
