// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "set_cookie.hpp"

namespace weft::http {

bool knows_public_suffixes() noexcept { return false; }

/// Built without libpsl: only a name of one label is certainly no server's own.
bool detail::is_public_suffix(const std::string& domain) { return domain.find('.') == domain.npos; }

}  // namespace weft::http
