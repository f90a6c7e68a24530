// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>

namespace weft {

/// A text of somebody else's, so that it can be shown to people: the names in a certificate that
/// nobody has verified, what a peer gave as its reason.
///
///     std::puts(weft::printable("good\x1b[2J").c_str());  // good\1B[2J
///
/// What would control a terminal or end a line is escaped byte by byte as `\NN`, in hex, as in the
/// text of a certificate's name (RFC 4514, 2.4): control characters (C0, DEL and C1), the marks
/// that turn the direction of writing, and bytes that are no UTF-8. The rest stays as it is,
/// backslashes too. Records and history() escape by themselves.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace weft
