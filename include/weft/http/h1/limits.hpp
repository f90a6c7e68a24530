// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace weft::http::h1 {

/// How much of a message an HTTP/1 decoder takes before it refuses it.
///
///     h1::request_decoder decoder({.header_block = 64 * 1024, .body = 1 << 20});
struct limits {
    /// Bytes of the request line or status line, without its end. More is 414.
    std::size_t start_line = 8 * 1024;
    /// Bytes of all field lines of a head with their ends and the empty line; of a trailer section
    /// likewise. More is 431.
    std::size_t header_block = 16 * 1024;
    /// Field lines of a head, and of a trailer section. More is 431.
    std::size_t fields = 100;
    /// Empty lines before a request line, which old clients
    /// send after a POST (RFC 9112 2.2). More is 400.
    std::size_t empty_lines = 2;
    /// Bytes of content. More is 413.
    std::uint64_t body = std::numeric_limits<std::uint64_t>::max();
    /// Bytes of extensions on one chunk; on all chunks together, 16 times this and as many as there
    /// was content. More is 400.
    std::size_t chunk_extension = 1024;
};

}  // namespace weft::http::h1
