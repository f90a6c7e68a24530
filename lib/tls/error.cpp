// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "openssl.hpp"
#include <weft/tls/error.hpp>

#include <boost/system/errc.hpp>

namespace weft::tls {

namespace errc = boost::system::errc;

namespace {

class tls_category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "weft.tls"; }
    std::string message(int value) const override {
        switch (static_cast<error>(value)) {
            case error::truncated:
                return "the connection ended without the end of its TLS session";
            case error::protocol:
                return "the peer broke the TLS protocol";
            case error::flood:
                return "the peer sent too many TLS messages that carry nothing";
            case error::handshake_too_large:
                return "the peer's TLS handshake is too large";
            case error::key_update:
                return "the peer asked for new TLS keys, and the system's TLS cannot change them";
        }
        return "unknown TLS error";
    }
    boost::system::error_condition default_error_condition(int value) const noexcept override {
        // What a failure makes of it: unavailable, or protocol.
        if (static_cast<error>(value) == error::truncated)
            return errc::make_error_condition(errc::connection_aborted);
        return errc::make_error_condition(errc::protocol_error);
    }
};

class alerts final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "weft.tls.alert"; }
    std::string message(int value) const override {
        return std::string("the peer ended the TLS session: ") + SSL_alert_desc_string_long(value);
    }
    boost::system::error_condition default_error_condition(int value) const noexcept override {
        switch (value) {
            case SSL_AD_ACCESS_DENIED:
            case SSL_AD_BAD_CERTIFICATE:
            case SSL_AD_CERTIFICATE_EXPIRED:
            case SSL_AD_CERTIFICATE_REQUIRED:
            case SSL_AD_CERTIFICATE_REVOKED:
            case SSL_AD_CERTIFICATE_UNKNOWN:
            case SSL_AD_UNKNOWN_CA:
            case SSL_AD_UNSUPPORTED_CERTIFICATE:
                return errc::make_error_condition(errc::permission_denied);
            default:
                return errc::make_error_condition(errc::protocol_error);
        }
    }
};

}  // namespace

const boost::system::error_category& error_category() noexcept {
    static const tls_category category;
    return category;
}

const boost::system::error_category& alert_category() noexcept {
    static const alerts category;
    return category;
}

}  // namespace weft::tls
