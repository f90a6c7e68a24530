// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0

// From a URL to where a request goes: what is taken for a destination names a server and nothing
// else, and has the parts that its separators say; it is the same when it is written down again;
// and the head that is made of it is read by our own server, with that target and that Host. A
// second line is a Host field.

#include "../../lib/http/url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/h1/decoder.hpp>
#include <weft/http/h1/encoder.hpp>
#include <weft/http/request.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace http = weft::http;

namespace {

void demand(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

std::optional<http::request> request_of(const http::method& m, std::string_view target,
                                        std::optional<std::string_view> host) {
    try {
        http::request r(m, target);
        if (host) r.headers().add(http::field::host, *host);
        return r;
    } catch (const weft::failure& f) {
        demand(f.kind() == weft::failure_kind::invalid_input, "another failure");
        return std::nullopt;
    }
}

std::optional<http::detail::destination> destination(const http::request& r) {
    try {
        return http::detail::destination_of(r);
    } catch (const weft::failure& f) {
        demand(f.kind() == weft::failure_kind::invalid_input, "another failure");
        return std::nullopt;
    }
}

/// The parts by their separators alone, of a URL that was taken.
void compare(std::string_view url, const http::detail::destination& to) {
    const std::size_t scheme = url.find("://");
    demand(scheme != url.npos, "taken without a scheme");
    demand((scheme == 5) == to.secure, "another scheme");
    std::string_view rest = url.substr(scheme + 3);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, end);
    if (const std::size_t at = authority.rfind('@'); at != authority.npos)
        authority.remove_prefix(at + 1);
    std::string target = end == rest.size() || rest[end] == '?' ? "/" : "";
    demand(target.append(rest.substr(end)) == to.target, "another target");
    const std::size_t colon = authority.rfind(':');
    const bool has_port = colon != authority.npos && authority.find(']', colon) == authority.npos;
    const std::string port(has_port ? authority.substr(colon + 1) : "");
    demand((port.empty() ? (to.secure ? 443 : 80) : std::atoi(port.c_str())) == to.port,
           "another port");
    std::string_view host = authority.substr(0, has_port ? colon : authority.size());
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    std::string plain;
    for (std::size_t i = 0; i < host.size(); ++i) {
        char c = host[i];
        if (c == '%') {
            c = static_cast<char>(std::stoi(std::string(host.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        }
        plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    demand(plain == to.host, "another host");
}

void check_head(const http::request& r, const http::detail::destination& to) {
    std::string text;
    http::h1::append(text, r.head(), {});
    http::h1::request_decoder decoder{http::h1::limits{}};
    if (text.size() > 8000) return;  // beyond its limits
    demand(decoder.decode(text) == http::h1::progress::complete, "our server refuses the head");
    const http::request_head head = decoder.take_head();
    demand(head.target() == to.target, "another target on the wire");
    demand(head.headers().get(http::field::host) == to.authority(), "another Host on the wire");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t line = input.find('\n');
    const std::string_view target = input.substr(0, line);
    std::optional<std::string_view> host;
    if (line != input.npos) host = input.substr(line + 1);
    for (const http::method& m : {http::method::get, http::method::connect}) {
        auto r = request_of(m, target, host);
        if (!r) continue;
        const auto to = destination(*r);
        if (!to) continue;
        demand(!to->host.empty() && to->port != 0, "no host, or no port");
        demand(std::ranges::none_of(to->host,
                                    [](char c) {
                                        const auto u = static_cast<unsigned char>(c);
                                        return u <= 0x20 || u >= 0x7f || (c >= 'A' && c <= 'Z') ||
                                               std::string_view("/?#@\\[]%").find(c) !=
                                                   std::string_view::npos;
                                    }),
               "a host with what no host has");
        const std::string authority = to->authority();
        const std::string whole =
            std::string(to->scheme()) + "://" + authority + (to->target == "*" ? "/" : to->target);
        const auto again = request_of(http::method::get, whole, std::nullopt);
        demand(again.has_value(), "written down it is no target");
        const auto same = destination(*again);
        demand(same && same->secure == to->secure && same->host == to->host &&
                   same->port == to->port && same->authority() == authority,
               "written down it leads elsewhere");
        if (m == http::method::connect) continue;
        demand(to->target == "*" || same->target == to->target, "another target, written down");
        if (!target.starts_with('/') && target != "*") compare(target, *to);
        if (host || to->target == "*") continue;
        http::detail::prepare(*r, *to, "");
        check_head(*r, *to);
        const std::string more = http::detail::with_parameter(whole, "a b", "&");
        const auto with = request_of(http::method::get, more, std::nullopt);
        demand(with && destination(*with) && more.ends_with("a%20b=%26"), "a lost parameter");
    }
    return 0;
}
