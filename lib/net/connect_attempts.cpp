// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/net/connect_attempts.hpp>

#include <fmt/format.h>

#include <chrono>
#include <iterator>

namespace weft::net {

std::string to_string(const connect_attempts& a) {
    fmt::memory_buffer text;
    for (const connect_attempt& one : a.tried) {
        if (text.size() > 0) fmt::format_to(std::back_inserter(text), "; ");
        const std::string address = to_string(one.address);
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(one.took).count();
        switch (one.outcome) {
            case connect_attempt::end::connected:
                fmt::format_to(std::back_inserter(text), "{} connected after {} ms", address, ms);
                break;
            case connect_attempt::end::failed:
                fmt::format_to(std::back_inserter(text), "{} failed after {} ms ({})", address, ms,
                               one.why);
                break;
            case connect_attempt::end::abandoned:
                fmt::format_to(std::back_inserter(text), "{} abandoned after {} ms", address, ms);
                break;
        }
    }
    return fmt::to_string(text);
}

}  // namespace weft::net

fmt::format_context::iterator fmt::formatter<weft::net::connect_attempts>::format(
    const weft::net::connect_attempts& a, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}", weft::net::to_string(a));
}
