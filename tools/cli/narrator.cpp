// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "narrator.hpp"

#include "certificate_report.hpp"
#include <weft/net/connect_attempts.hpp>
#include <weft/tls/info.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/core.h>

#include <cstdio>
#include <utility>

namespace weft::cli {

std::string fields_of(const http::headers& headers, std::string_view mark, std::string_view end) {
    std::string out;
    for (auto [name, value, id] : headers) out += fmt::format("{}{}: {}{}", mark, name, value, end);
    return out;
}

std::string status_line(const http::response_head& head) {
    return fmt::format("{} {} {}", to_string(head.version()), head.status().code(), head.reason());
}

net::connector narrator::around(net::connector connect) const {
    return [inner = std::move(connect),
            told = state_](net::connect_request to) -> awaitable<io::stream> {
        io::stream s = co_await inner.serve(std::move(to));
        if (const auto* tried = s.extensions().get<net::connect_attempts>())
            fmt::print(stderr, "* {}: {}\n", tried->host, net::to_string(*tried));
        told->connected = true;
        co_return s;
    };
}

/// Method and target, "\n", and the rest of the head, as HTTP/1.1 writes it.
std::string narrator::head_of(const http::request& r) {
    std::string target(r.target());
    std::string fields;
    if (const auto url = boost::urls::parse_uri(target)) {
        if (!r.header("Host"))
            fields = fmt::format("> Host: {}\n", std::string_view(url->encoded_host_and_port()));
        const std::string_view rest = url->encoded_target();
        target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
    }
    fields += fields_of(r.headers(), "> ", "\n");
    const auto size = r.body().size();
    if (!size)
        fields += "> Transfer-Encoding: chunked\n";
    else if (*size > 0 || r.method() == http::method::post || r.method() == http::method::put ||
             r.method() == http::method::patch)
        fields += fmt::format("> Content-Length: {}\n", *size);
    return fmt::format("> {} {}\n{}>\n", r.method().text(), target, fields);
}

std::string narrator::head_lines(const http::response_head& head) {
    return fmt::format("< {}\n{}<\n", status_line(head), fields_of(head.headers(), "< ", "\n"));
}

void narrator::tell(std::string_view sent, std::string_view hints, const http::response& r) const {
    const auto* session = r.extensions().egress().get<tls::info>();
    if (std::exchange(state_->connected, false) && session)
        fmt::print(stderr, "{}", session_lines(*session));
    const auto line = sent.find('\n');
    fmt::print(stderr, "{} {}{}{}{}", sent.substr(0, line), to_string(r.version()),
               sent.substr(line), hints, head_lines(r.head()));
}

/// A request that was not sent is not shown: the failure says why.
void narrator::tell_failed(std::string_view sent, const failure& f) const {
    if (f.delivered() != delivery::not_sent) fmt::print(stderr, "{}", sent);
}

}  // namespace weft::cli
