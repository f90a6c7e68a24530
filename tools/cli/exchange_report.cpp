// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "exchange_report.hpp"

#include <weft/http/client.hpp>
#include <weft/http/layer/redirect.hpp>
#include <weft/layer/phase.hpp>
#include <weft/net/endpoint.hpp>

#include <fmt/core.h>

#include <ranges>

namespace weft::cli {

using std::chrono::nanoseconds;

namespace {

double ms(nanoseconds d) { return static_cast<double>(d.count()) / 1e6; }
std::string seconds(nanoseconds d) {
    return fmt::format("{:.6f}", static_cast<double>(d.count()) / 1e9);
}

/// A fact of the connection that the response came over.
template <class T>
const T* of_connection(const http::response& r) {
    return r.extensions().egress().get<T>();
}

constexpr std::string_view phases[] = {"queue", "dns", "connect", "tls", "wait"};

}  // namespace

nanoseconds exchange_report::phase(std::string_view name) const {
    for (const weft::phase& p : response_.extensions().all<weft::phase>())
        if (p.name == name) return p.took;
    return {};
}

std::string exchange_report::times() const {
    std::string text;
    for (const std::string_view name : phases)
        if (const nanoseconds took = phase(name); took.count() > 0)
            text += fmt::format("{}={:.1f}ms ", name, ms(took));
    if (const auto* body = response_.extensions().get<http::body_time>(); body && body->took())
        text += fmt::format("body={:.1f}ms ", ms(*body->took()));
    return text + fmt::format("in all {:.1f}ms", ms(total_));
}

std::string exchange_report::variable(std::string_view name) const {
    const nanoseconds looked_up = phase("dns");
    const nanoseconds connected = looked_up + phase("connect");
    const nanoseconds secured = connected + phase("tls");
    if (name == "http_code" || name == "response_code")
        return fmt::format("{:03}", response_.status().code());
    if (name == "http_version") return std::string(to_string(response_.version()).substr(5));
    if (name == "time_total") return seconds(total_);
    if (name == "time_namelookup") return seconds(looked_up);
    if (name == "time_connect") return seconds(connected);
    if (name == "time_appconnect")
        return seconds(phase("tls").count() > 0 ? secured : nanoseconds{});
    if (name == "time_starttransfer") return seconds(secured + phase("wait"));
    if (name == "size_download") return std::to_string(received_);
    if (name == "content_type")
        return std::string(response_.headers().get(http::field::content_type).value_or(""));
    const auto hops = response_.extensions().all<http::redirect_hop>();
    if (name == "num_redirects")
        return std::to_string(std::ranges::distance(hops.begin(), hops.end()));
    if (name == "url_effective") return hops.begin() == hops.end() ? url_ : (*hops.begin()).to;
    if (name == "remote_ip" || name == "remote_port") {
        const auto* peer = of_connection<net::peer_endpoint>(response_);
        if (!peer) return {};
        return name == "remote_ip" ? peer->value.address().to_string()
                                   : std::to_string(peer->value.port());
    }
    return fmt::format("%{{{}}}", name);
}

std::string exchange_report::write_out(std::string_view format) const {
    std::string text;
    while (!format.empty()) {
        const char c = format.front();
        const std::string_view rest = format.substr(1);
        if (c == '%' && rest.starts_with('{') && rest.find('}') != rest.npos) {
            const std::size_t end = rest.find('}');
            text += variable(rest.substr(1, end - 1));
            format = rest.substr(end + 1);
        } else if (c == '%' && rest.starts_with('%')) {
            text += '%';
            format = rest.substr(1);
        } else if (c == '\\' && !rest.empty() &&
                   std::string_view("nrt").find(rest[0]) != std::string_view::npos) {
            text += rest[0] == 'n' ? '\n' : rest[0] == 'r' ? '\r' : '\t';
            format = rest.substr(1);
        } else {
            text += c;
            format = rest;
        }
    }
    return text;
}

}  // namespace weft::cli
