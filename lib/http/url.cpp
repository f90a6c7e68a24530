// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "url.hpp"

#include <weft/core/failure.hpp>
#include <weft/http/h2_options.hpp>

#include <boost/url/encode.hpp>
#include <boost/url/grammar/unsigned_rule.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

#include <optional>

namespace weft::http::detail {
namespace {

/// The URL without its user information: a failure's text is printed.
std::string without_secrets(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == url.npos) return std::string(url);
    const std::size_t end = url.find_first_of("/?#", scheme + 3);
    const std::size_t at = url.substr(0, end).rfind('@');
    if (at == url.npos || at < scheme + 3) return std::string(url);
    return std::string(url.substr(0, scheme + 3)).append(url.substr(at + 1));
}

[[noreturn]] void refuse(std::string_view why, std::string_view url) {
    throw failure(failure_kind::invalid_input, std::string(why)).with("url", without_secrets(url));
}

/// Whether the target is only where the tunnel leads (RFC 9110 9.3.6). That of an extended CONNECT
/// is a GET's (RFC 8441 4).
bool names_only_authority(const request& r) {
    return r.method() == method::connect && !r.extensions().get<extended_connect>();
}

}  // namespace

destination destination_of(const request& r) {
    std::string url(r.target());
    // The authority-form of CONNECT (RFC 9112 3.2.3).
    if (names_only_authority(r) && url.find("://") == url.npos) url.insert(0, "http://");
    if (url.starts_with('/') || url == "*") {
        const auto host = r.headers().get(field::host);
        if (!host) refuse("a client's request needs an absolute URL or a Host field", url);
        std::string absolute = "http://";
        absolute.append(*host);
        if (url != "*") absolute.append(url);
        url = std::move(absolute);
    }
    const auto parsed = boost::urls::parse_uri(url);
    if (!parsed) refuse("not an absolute URL", url);
    const boost::urls::url_view& view = *parsed;
    destination to;
    for (char c : view.scheme())
        to.scheme.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    if (to.scheme != "http" && to.scheme != "https")
        refuse("only http and https URLs can be requested", url);
    if (view.host_type() == boost::urls::host_type::ipv6 ||
        view.host_type() == boost::urls::host_type::ipvfuture) {
        to.host = view.host_address();
        to.authority = "[" + to.host + "]";
    } else {
        to.host = view.host();
        to.authority = view.encoded_host();
    }
    for (char& c : to.host)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (to.host.empty()) refuse("the URL names no host", url);
    const std::uint16_t usual = to.scheme == "https" ? 443 : 80;
    to.port = usual;
    if (view.has_port() && !view.port().empty()) {
        to.port = view.port_number();
        if (to.port == 0) refuse("the URL's port is no port number", url);
    }
    if (to.port != usual) to.authority.append(":").append(std::to_string(to.port));
    if (r.target() == "*") {
        to.target = "*";
    } else {
        const auto path = view.encoded_path();
        to.target = path.empty() ? std::string("/") : std::string(path.data(), path.size());
        if (view.has_query()) {
            const auto query = view.encoded_query();
            to.target.append("?").append(query.data(), query.size());
        }
    }
    return to;
}

void prepare(request& r, const destination& to, std::string_view user_agent) {
    if (names_only_authority(r)) {
        // Always with the port (RFC 9112 3.2.3), and Host is the same (3.2).
        std::string authority = to.authority;
        if (to.port == (to.scheme == "https" ? 443 : 80))
            authority.append(":").append(std::to_string(to.port));
        r.head().set_target(authority);
        r.headers().set(field::host, authority);
    } else {
        r.head().set_target(to.target);
        if (!r.headers().contains(field::host)) r.headers().add(field::host, to.authority);
    }
    if (!user_agent.empty() && !r.headers().contains(field::user_agent))
        r.headers().add(field::user_agent, user_agent);
}

std::string_view without_fragment(std::string_view url) noexcept {
    return url.substr(0, url.find('#'));
}

std::string with_parameter(std::string url, std::string_view name, std::string_view value) {
    const std::size_t hash = url.find('#');
    std::string fragment;
    if (hash != url.npos) {
        fragment = url.substr(hash);
        url.erase(hash);
    }
    auto encoded = [](std::string_view text) {
        return boost::urls::encode({text.data(), text.size()}, boost::urls::unreserved_chars);
    };
    url.append(url.find('?') == url.npos                  ? "?"
               : url.ends_with('?') || url.ends_with('&') ? ""
                                                          : "&");
    url.append(encoded(name)).append("=").append(encoded(value)).append(fragment);
    return url;
}

}  // namespace weft::http::detail
