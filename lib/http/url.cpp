// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "url.hpp"

#include <weft/core/failure.hpp>
#include <weft/http/detail/chars.hpp>
#include <weft/http/h2_options.hpp>

#include <boost/url/authority_view.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

namespace weft::http::detail {
namespace {

namespace urls = boost::urls;

/// The URL without its user information: a failure's text is printed.
std::string without_secrets(std::string_view url) {
    const std::size_t scheme = url.find("://");
    const std::size_t begin = scheme == url.npos ? 0 : scheme + 3;
    // The last one: what is refused may have an @, or a /, in the password.
    const std::size_t at = url.rfind('@');
    if (at == url.npos || at < begin) return std::string(url);
    return std::string(url.substr(0, begin)).append(url.substr(at + 1));
}

[[noreturn]] void refuse(std::string_view why, std::string_view url) {
    throw failure(failure_kind::invalid_input, std::string(why)).with("url", without_secrets(url));
}

/// Whether the target is only where the tunnel leads (RFC 9110 9.3.6). That of an extended CONNECT
/// is a GET's (RFC 8441 4).
bool names_only_authority(const request& r) {
    return r.method() == method::connect && !r.extensions().get<extended_connect>();
}

constexpr std::uint16_t usual_port(bool secure) noexcept { return secure ? 443 : 80; }

/// Escapes are resolved, so that one name has one spelling; what no host name has is refused,
/// escaped or not: nothing that a resolver, a log or a certificate would read in another way.
bool read_host(const urls::authority_view& authority, std::string& host) {
    switch (authority.host_type()) {
        case urls::host_type::none:
        case urls::host_type::ipvfuture:
            return false;
        case urls::host_type::ipv6:
        case urls::host_type::ipv4:
            host = authority.encoded_host_address();
            break;
        case urls::host_type::name:
            host = authority.host_name();
            break;
    }
    const bool v6 = authority.host_type() == urls::host_type::ipv6;
    for (char& c : host) {
        // No '%': neither one that was escaped, nor a zone, which means nothing elsewhere.
        if (c == '%' || (!is(c, cc_host) && !(v6 && c == ':'))) return false;
        c = lower(c);
    }
    return true;
}

void read_authority(const urls::authority_view& authority, destination& to, std::string_view url) {
    if (authority.encoded_host().empty()) refuse("the URL names no host", url);
    if (!read_host(authority, to.host)) refuse("the URL's host is no name and no address", url);
    to.port = usual_port(to.secure);
    if (!authority.has_port() || authority.port().empty()) return;
    to.port = authority.port_number();  // 0 when it is none
    if (to.port == 0) refuse("the URL's port is no port number", url);
}

/// host [":" port], of a Host field (RFC 9110 7.2) or of CONNECT.
void read_server(std::string_view text, destination& to) {
    const auto authority = urls::parse_authority(text);
    if (!authority || authority->has_userinfo()) refuse("no host and port", text);
    read_authority(*authority, to, text);
}

}  // namespace

std::string authority_text(bool secure, std::string_view host, std::uint16_t port, bool with_port) {
    const bool brackets = host.find(':') != host.npos;
    const bool port_too = with_port || port != usual_port(secure);
    std::string text;
    text.reserve(host.size() + (brackets ? 2 : 0) + (port_too ? 6 : 0));
    if (brackets) text.push_back('[');
    text.append(host);
    if (brackets) text.push_back(']');
    if (port_too) text.append(":").append(std::to_string(port));
    return text;
}

destination destination_of(const request& r) {
    const std::string_view url = r.target();
    destination to;
    if (url.starts_with('/') || url == "*") {
        const auto host = r.headers().get(field::host);
        if (!host) refuse("a client's request needs an absolute URL or a Host field", url);
        if (url != "*" && !urls::parse_origin_form(url)) refuse("no path and query", url);
        read_server(*host, to);
        to.target = url;
    } else if (names_only_authority(r) && url.find("://") == url.npos) {
        // The authority-form of CONNECT (RFC 9112 3.2.3).
        read_server(url, to);
        to.target = "/";
    } else {
        const auto parsed = urls::parse_absolute_uri(url);
        if (!parsed) refuse("not an absolute URL", url);
        to.secure = parsed->scheme_id() == urls::scheme::https;
        if (!to.secure && parsed->scheme_id() != urls::scheme::http)
            refuse("only http and https URLs can be requested", url);
        read_authority(parsed->authority(), to, url);
        if (parsed->encoded_path().empty()) to.target = "/";
        to.target.append(std::string_view(parsed->encoded_target()));
    }
    return to;
}

void prepare(request& r, const destination& to, std::string_view user_agent) {
    if (names_only_authority(r)) {
        // Always with the port (RFC 9112 3.2.3), and Host is the same (3.2).
        const std::string authority = to.authority(true);
        r.head().set_target(authority);
        r.headers().set(field::host, authority);
    } else {
        r.head().set_target(to.target);
        if (!r.headers().contains(field::host)) r.headers().add(field::host, to.authority());
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
        return urls::encode({text.data(), text.size()}, urls::unreserved_chars);
    };
    url.append(url.find('?') == url.npos                  ? "?"
               : url.ends_with('?') || url.ends_with('&') ? ""
                                                          : "&");
    url.append(encoded(name)).append("=").append(encoded(value)).append(fragment);
    return url;
}

}  // namespace weft::http::detail
