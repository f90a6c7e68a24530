// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/layer/refuse.hpp>

#include <algorithm>
#include <chrono>
#include <string>

namespace weft::http {

response refuse(const failure& why, status s) {
    response r = text(std::string(s.reason()) + "\n", s);
    if (const auto wait = why.retry_after()) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait).count();
        r.headers().set(field::retry_after, std::to_string(std::max<long long>(seconds, 1)));
    }
    return r;
}

}  // namespace weft::http
