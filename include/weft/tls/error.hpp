// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/system/error_code.hpp>

#include <type_traits>

namespace weft::tls {

/// What reading or writing a TLS stream may end with, beside the errors of the connection below.
///
///     const std::size_t n = stream.try_read(buffer, ec);
///     if (ec == tls::error::truncated && !message.complete()) refuse(message);
///
/// As causes of a failure `truncated` is unavailable, the others are protocol.
enum class error {
    /// The connection ended without the peer's close_notify: what was read may be only the
    /// beginning (RFC 8446, 6.1). A reader that knows where its message ends may take it for the
    /// end of file; nobody else may.
    truncated = 1,
    /// The peer broke the protocol, or its bytes were tampered with.
    protocol,
    /// The peer sends messages that carry nothing: key updates, tickets, empty records.
    flood,
    /// The handshake is larger than the limit.
    handshake_too_large,
    /// The peer asks for new keys, and the system, which encrypts what is sent, cannot change them
    /// (client_options::kernel_tls).
    key_update
};

/// "weft.tls".
const boost::system::error_category& error_category() noexcept;
/// "weft.tls.alert": the alert that the peer ended the connection with; the value is its number
/// (RFC 8446, 6).
const boost::system::error_category& alert_category() noexcept;

inline boost::system::error_code make_error_code(error e) noexcept {
    return {static_cast<int>(e), error_category()};
}

}  // namespace weft::tls

template <>
struct boost::system::is_error_code_enum<weft::tls::error> : std::true_type {};
