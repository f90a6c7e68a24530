// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/bytes.hpp>
#include <weft/io/stream.hpp>

namespace weft::io {

/// A stream that reads `first` before what `rest` brings: gives back what was read too far (a
/// protocol upgrade, a sniffed first packet).
///
///     io::stream tunnel = io::prefixed(std::move(read_ahead), std::move(connection));
///
/// Everything else goes straight to `rest`, whose executor and extensions it has. native_socket()
/// is -1 until the prefix was read. An empty prefix gives back `rest` itself.
stream prefixed(bytes first, stream rest);

}  // namespace weft::io
