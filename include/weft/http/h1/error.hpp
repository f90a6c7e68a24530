// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/status.hpp>

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace weft::http::h1 {

/// Why a message was refused. After each of these the connection cannot be used further: where the
/// next message starts is no longer certain.
enum class reason : std::uint8_t {
    none,
    // lines (RFC 9112 2.2, 5)
    bare_cr,             ///< CR without LF
    bare_lf,             ///< LF without CR
    control_character,   ///< NUL or another control character
    leading_whitespace,  ///< white space between the start line and the first field
    obs_fold,            ///< a line that begins with white space (RFC 9112 5.2)
    space_before_colon,  ///< white space in or after a field name (RFC 9112 5.1)
    bad_field_name,      ///< a field name that is empty or no token
    missing_colon,       ///< a field line without a colon
    header_too_large,    ///< 431
    too_many_fields,     ///< 431
    // start line (RFC 9112 3, 4)
    too_many_empty_lines,
    request_line_too_long,  ///< 414
    bad_request_line,       ///< not three parts with one space between
    bad_method,             ///< no token
    method_too_long,        ///< 501
    bad_target,             ///< a byte or a syntax that no target has
    target_form,            ///< a target whose form does not fit the method (RFC 9112 3.2)
    bad_version,            ///< not HTTP/digit.digit
    unsupported_version,    ///< 505
    status_line_too_long,
    bad_status_line,
    bad_status_code,  ///< not three digits, or below 100
    // Host (RFC 9112 3.2)
    missing_host,
    multiple_hosts,
    bad_host,
    host_mismatch,  ///< differs from the authority of an absolute target
    // framing (RFC 9112 6)
    multiple_content_lengths,
    bad_content_length,
    content_length_overflow,
    transfer_encoding_in_http_1_0,
    transfer_encoding_and_content_length,
    bad_transfer_encoding,    ///< its syntax, an empty element, or chunked with parameters or twice
    chunked_not_last,         ///< Transfer-Encoding that does not end in chunked
    unknown_transfer_coding,  ///< 501
    content_with_connect,
    body_too_large,  ///< 413
    // chunks (RFC 9112 7.1)
    bad_chunk_size,
    chunk_size_overflow,
    bad_chunk_extension,
    chunk_extension_too_long,
    bad_chunk_end,  ///< no CRLF after the data of a chunk
    truncated       ///< the connection ended within a message
};

/// The name of the enumerator: a token for logs, metrics and tests.
[[nodiscard]] std::string_view to_string(reason) noexcept;
std::ostream& operator<<(std::ostream&, reason);

/// The status that a server answers with.
[[nodiscard]] status status_for(reason) noexcept;

/// What a decoder refused, and where. Names lines and fields, never values: they may be secrets.
///
///     log(decoder.error().message());  // "header line 3 (X-Note): a control character (0x00)"
class error {
  public:
    error() noexcept = default;
    error(reason why, std::uint32_t line, std::string_view field = {},
          unsigned char byte = 0) noexcept;

    [[nodiscard]] reason why() const noexcept { return why_; }
    /// The status that a server answers with; a proxy
    /// answers 502 to what a response was refused for.
    [[nodiscard]] http::status status() const noexcept { return status_for(why_); }
    /// The line of the head, from 1 for the start line, or 0.
    [[nodiscard]] std::uint32_t line() const noexcept { return line_; }
    /// The name of the field, cut off after 31 characters, or "".
    [[nodiscard]] std::string_view field() const noexcept { return {field_.data(), field_size_}; }
    [[nodiscard]] std::string message() const;
    explicit operator bool() const noexcept { return why_ != reason::none; }

  private:
    reason why_ = reason::none;
    unsigned char byte_ = 0;
    std::uint8_t field_size_ = 0;
    std::uint32_t line_ = 0;
    std::array<char, 31> field_{};
};

}  // namespace weft::http::h1
