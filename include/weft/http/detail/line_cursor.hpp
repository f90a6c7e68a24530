// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::http::detail {

/// Where a decoder is within the lines of a head or
/// of trailers; offsets from the start of the input.
struct line_cursor {
    std::size_t line = 0;     ///< start of the current line
    std::size_t scanned = 0;  ///< looked at up to here
    std::size_t colon = 0;    ///< the end of the current field name, or 0
    std::uint32_t number = 1;
};

}  // namespace weft::http::detail
