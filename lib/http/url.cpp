// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "url.hpp"

#include "h1_framing.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/detail/chars.hpp>
#include <weft/http/h2_options.hpp>

#include <boost/asio/ip/address_v6.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

#include <algorithm>
#include <optional>

namespace weft::http::detail {
namespace {

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

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// Whether each '%' begins an octet (RFC 3986 2.1).
bool escapes_are_whole(std::string_view text) noexcept {
    for (std::size_t at = 0; (at = text.find('%', at)) != text.npos; at += 3)
        if (at + 2 >= text.size() || hex_value(text[at + 1]) < 0 || hex_value(text[at + 2]) < 0)
            return false;
    return true;
}

/// pchar, '/' and '?' (RFC 3986 3.3 and 3.4): what a path and a query are made of.
bool is_path_and_query(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(),
                       [](char c) {
                           return is(c, cc_host) || c == '/' || c == '?' || c == ':' || c == '@';
                       }) &&
           escapes_are_whole(text);
}

/// Takes the host out of what stands before the port. Escapes are resolved, so that one name has
/// one spelling; what no host name has is refused, escaped or not: nothing that a resolver, a log
/// or a certificate's name would read in another way.
bool read_host(std::string_view text, std::string& host) {
    if (text.starts_with('[')) {
        const std::string_view inside = text.substr(1, text.size() - 2);
        boost::system::error_code ec;
        host = inside;
        static_cast<void>(boost::asio::ip::make_address_v6(host, ec));
        if (ec) return false;
    } else {
        host.reserve(text.size());
        for (std::size_t i = 0; i < text.size(); ++i) {
            char c = text[i];
            if (c == '%') {  // whole: parse_authority has looked
                c = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
                i += 2;
                if (!is(c, cc_host) || c == '%') return false;
            }
            host.push_back(c);
        }
    }
    for (char& c : host) c = lower(c);
    return true;
}

/// [userinfo "@"] host [":" port], RFC 3986 3.2.
void read_authority(std::string_view text, bool user_allowed, destination& to,
                    std::string_view url) {
    if (const std::size_t at = text.find('@'); user_allowed && at != text.npos) {
        if (!is_path_and_query(text.substr(0, at))) refuse("not an absolute URL", url);
        text.remove_prefix(at + 1);
    }
    if (text.empty() || text.starts_with(':')) refuse("the URL names no host", url);
    std::string_view host, port;
    if (!h1::parse_authority(text, host, port) || !read_host(host, to.host))
        refuse("the URL's host is no name and no address", url);
    to.port = usual_port(to.secure);
    if (port.empty()) return;
    unsigned number = 0;
    for (const char c : port) number = number * 10 + static_cast<unsigned>(c - '0');
    if (number == 0) refuse("the URL's port is no port number", url);
    to.port = static_cast<std::uint16_t>(number);
}

/// "//" behind the scheme, in front of the rest.
std::optional<std::string_view> take_scheme(std::string_view& url) noexcept {
    const std::size_t colon = url.find(':');
    if (colon == 0 || colon == url.npos || !all(url.substr(0, colon), cc_scheme) ||
        !url.substr(colon).starts_with("://"))
        return std::nullopt;
    const std::string_view scheme = url.substr(0, colon);
    url.remove_prefix(colon + 3);
    return scheme;
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
    std::string_view rest = url;
    if (url.starts_with('/') || url == "*") {
        const auto host = r.headers().get(field::host);
        if (!host) refuse("a client's request needs an absolute URL or a Host field", url);
        read_authority(*host, false, to, *host);
    } else if (names_only_authority(r) && url.find("://") == url.npos) {
        // The authority-form of CONNECT (RFC 9112 3.2.3).
        read_authority(url, true, to, url);
        rest = {};
    } else {
        const auto scheme = take_scheme(rest);
        if (!scheme) refuse("not an absolute URL", url);
        to.secure = iequals(*scheme, "https");
        if (!to.secure && !iequals(*scheme, "http"))
            refuse("only http and https URLs can be requested", url);
        const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
        read_authority(rest.substr(0, end), true, to, url);
        rest.remove_prefix(end);
    }
    if (rest != "*" && !is_path_and_query(rest)) refuse("not an absolute URL", url);
    if (rest.empty() || rest.starts_with('?')) to.target = "/";
    to.target.append(rest);
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
        return boost::urls::encode({text.data(), text.size()}, boost::urls::unreserved_chars);
    };
    url.append(url.find('?') == url.npos                  ? "?"
               : url.ends_with('?') || url.ends_with('&') ? ""
                                                          : "&");
    url.append(encoded(name)).append("=").append(encoded(value)).append(fragment);
    return url;
}

}  // namespace weft::http::detail
