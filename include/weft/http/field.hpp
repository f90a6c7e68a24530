// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::http {

/// The field names that `headers` recognizes when they are inserted, so that a look-up is one bit
/// test and one compare.
///
///     if (req.headers().contains(http::field::expect)) ...
///     res.headers().set(http::field::content_type, "text/plain");
///
/// Any other name works as text. There are at most 63, because a message keeps one bit for each.
enum class field : std::uint8_t {
    other,  ///< a name that is not in this list
    accept,
    accept_encoding,
    accept_language,
    accept_ranges,
    age,
    allow,
    authorization,
    cache_control,
    connection,
    content_disposition,
    content_encoding,
    content_language,
    content_length,
    content_location,
    content_range,
    content_type,
    cookie,
    date,
    etag,
    expect,
    expires,
    forwarded,
    host,
    if_match,
    if_modified_since,
    if_none_match,
    if_range,
    if_unmodified_since,
    keep_alive,
    last_modified,
    link,
    location,
    max_forwards,
    origin,
    pragma,
    proxy_authenticate,
    proxy_authorization,
    proxy_connection,
    range,
    referer,
    retry_after,
    sec_websocket_accept,
    sec_websocket_extensions,
    sec_websocket_key,
    sec_websocket_protocol,
    sec_websocket_version,
    server,
    set_cookie,
    strict_transport_security,
    te,
    traceparent,
    trailer,
    transfer_encoding,
    upgrade,
    upgrade_insecure_requests,
    user_agent,
    vary,
    via,
    www_authenticate,
    x_forwarded_for
};

/// The number of a name, whatever its case, or `field::other`.
[[nodiscard]] field recognize(std::string_view name) noexcept;

/// The usual spelling ("Content-Type"), or "" for `field::other`.
[[nodiscard]] std::string_view to_string(field) noexcept;

}  // namespace weft::http
