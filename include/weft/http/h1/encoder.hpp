// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h1/framing.hpp>
#include <weft/http/head.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::http::h1 {

/// What a Connection field is to say.
enum class connection : std::uint8_t {
    unsaid,      ///< what the version implies
    close,       ///< this message is the last
    keep_alive,  ///< for HTTP/1.0
    upgrade      ///< the Upgrade field is meant
};

/// What the writer of a head adds to it.
///
///     h1::append(out, head, {.body = h1::framing::sized(5), .date = clock_text});
///
/// The fields Content-Length and Transfer-Encoding always come from `body`, never from the head:
/// they cannot contradict what is sent. In Connection, `close`, `keep-alive` and `upgrade` come
/// from `connection`; other options are kept. Proxy-Connection is dropped.
struct head_options {
    framing body = {};
    h1::connection connection = connection::unsaid;
    /// The value of a Date field, unless the head has one; empty: none is added.
    std::string_view date = {};
};

/// An upper bound of what `write` writes, in bytes.
[[nodiscard]] std::size_t encoded_size(const request_head&, const head_options&) noexcept;
[[nodiscard]] std::size_t encoded_size(const response_head&, const head_options&) noexcept;

/// Writes a head in the form of RFC 9112 and gives the end of what was written. `out` has room for
/// `encoded_size` bytes. The version is HTTP/1.0 if the head says so, else HTTP/1.1. A response to
/// HEAD and a 304 may have a length: it is what a GET would have got.
char* write(char* out, const request_head&, const head_options&) noexcept;
char* write(char* out, const response_head&, const head_options&) noexcept;

/// As `write`, behind what `out` holds.
void append(std::string& out, const request_head&, const head_options&);
void append(std::string& out, const response_head&, const head_options&);

/// The most that `write_chunk_header` writes.
inline constexpr std::size_t max_chunk_header = 18;
/// What comes before the data of a chunk of `size` > 0 bytes; behind the data comes `chunk_end`.
char* write_chunk_header(char* out, std::uint64_t size) noexcept;
inline constexpr std::string_view chunk_end = "\r\n";
/// Ends a chunked body that has no trailers.
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
/// Ends a chunked body with trailers; those that must not
/// be in a trailer section are left out (RFC 9110 6.5.1).
void append_last_chunk(std::string& out, const headers& trailers);

/// The interim response to Expect: 100-continue.
inline constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace weft::http::h1
