// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/tls/info.hpp>

namespace weft::tls {

std::string_view to_string(version v) noexcept {
    switch (v) {
        case version::tls_1_2:
            return "TLS 1.2";
        case version::tls_1_3:
            return "TLS 1.3";
    }
    return "unknown TLS version";
}

std::string to_string(const info& i) {
    std::string text(to_string(i.version));
    for (const std::string_view part : {std::string_view(i.cipher), std::string_view(i.alpn)})
        if (!part.empty()) text.append(", ").append(part);
    if (i.resumed) text += ", resumed";
    if (i.kernel_send) text += ", kTLS";
    return text;
}

}  // namespace weft::tls

fmt::format_context::iterator fmt::formatter<weft::tls::info>::format(
    const weft::tls::info& i, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "{}", weft::tls::to_string(i));
}
