// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/net/resolve_request.hpp>

namespace weft::net {

std::string_view to_string(answer_source s) noexcept {
    switch (s) {
        case answer_source::literal:
            return "literal";
        case answer_source::special:
            return "special";
        case answer_source::static_entry:
            return "static";
        case answer_source::system:
            return "system";
        case answer_source::server:
            return "server";
        case answer_source::cache:
            return "cache";
        case answer_source::stale_cache:
            return "stale cache";
        case answer_source::network:
            return "network";
    }
    return "unknown";
}

}  // namespace weft::net
