// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Writing of logfmt (key=value pairs on one line), shared by the sink and by history().

#include <string>
#include <string_view>

namespace weft::detail {

/// `text` so that it is one value on one line whatever it contains: bare when it is plain, else
/// quoted, with `"`, `\`, control characters (C0, DEL, C1, and the line and direction marks a
/// terminal obeys) escaped, and what is not UTF-8 as \ufffd.
void append_logfmt_value(std::string& out, std::string_view text);

/// A key: what may not stand in one becomes `_`; an empty one is `_` too.
void append_logfmt_key(std::string& out, std::string_view key);

}  // namespace weft::detail
