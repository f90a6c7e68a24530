// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "set_cookie.hpp"

#include <libpsl.h>

namespace weft::http {

bool knows_public_suffixes() noexcept { return ::psl_builtin() != nullptr; }

bool detail::is_public_suffix(const std::string& domain) {
    const psl_ctx_t* const list = ::psl_builtin();
    if (!list) return domain.find('.') == domain.npos;
    return ::psl_is_public_suffix(list, domain.c_str()) != 0;
}

}  // namespace weft::http
