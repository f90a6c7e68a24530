// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/request.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::http::detail {

/// What Host says: the port only when it is not the scheme's, or always.
std::string authority_text(bool secure, std::string_view host, std::uint16_t port,
                           bool with_port = false);

/// Where a request goes, and what it says on the way.
struct destination {
    bool secure = false;  ///< by https
    std::uint16_t port = 0;
    std::string host;    ///< a name or an IP address without brackets, in lower case
    std::string target;  ///< in origin-form, or "*"

    [[nodiscard]] std::string_view scheme() const noexcept { return secure ? "https" : "http"; }
    [[nodiscard]] std::string authority(bool with_port = false) const {
        return authority_text(secure, host, port, with_port);
    }
};

/// Takes a request's destination from its absolute target, or from its Host field (then by http).
/// Throws failure(invalid_input) that names the URL, without any user name or password in it.
destination destination_of(const request& r);

/// Makes the request what goes on the wire: its target, Host, and User-Agent unless that is empty
/// or there already.
void prepare(request& r, const destination& to, std::string_view user_agent);

/// `url` with one query parameter more, percent-encoded, before its fragment.
std::string with_parameter(std::string url, std::string_view name, std::string_view value);

/// `url` as it is requested: a fragment stays with the client (RFC 9110 7.1).
std::string_view without_fragment(std::string_view url) noexcept;

}  // namespace weft::http::detail
