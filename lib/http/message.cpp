// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>

#include <boost/url/decode_view.hpp>
#include <boost/url/encoding_opts.hpp>
#include <boost/url/pct_string_view.hpp>

#include <charconv>
#include <chrono>
#include <string>

namespace weft::http {
namespace {

/// Splits a target in any of its forms (RFC 9112 3.2) into path and query, as they were sent.
std::pair<std::string_view, std::string_view> split(std::string_view target) noexcept {
    if (!target.starts_with('/')) {
        const std::size_t scheme = target.find("://");
        if (scheme != target.npos && target.find_first_of("/?") > scheme) {
            const std::size_t path = target.find_first_of("/?", scheme + 3);
            if (path == target.npos) return {"/", ""};
            target.remove_prefix(path);
            if (target.starts_with('?')) return {"/", target.substr(1)};
        }
    }
    const std::size_t mark = target.find('?');
    if (mark == target.npos) return {target, ""};
    return {target.substr(0, mark), target.substr(mark + 1)};
}

std::string decoded(std::string_view text) {
    auto encoded = boost::urls::make_pct_string_view({text.data(), text.size()});
    if (!encoded) return std::string(text);
    boost::urls::encoding_opts options;
    options.space_as_plus = true;
    std::string out;
    boost::urls::decode_view view(*encoded, options);
    out.reserve(view.size());
    for (char c : view) out.push_back(c);
    return out;
}

response content(http::body b, std::string_view type, status s) {
    response r(s, std::move(b));
    r.headers().reserve(5, 128);  // with what a server adds: Content-Length, Date, Connection
    r.headers().add(field::content_type, type);
    return r;
}

}  // namespace

std::string_view request::path() const noexcept { return split(target()).first; }
std::string_view request::query() const noexcept { return split(target()).second; }

std::string request::call_name() const {
    std::string name(method().text());
    name.append(" ").append(path());
    return name;
}

std::optional<std::string> request::query(std::string_view name) const {
    std::string_view rest = query();
    while (!rest.empty()) {
        const std::size_t end = rest.find('&');
        const std::string_view pair = rest.substr(0, end);
        rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
        const std::size_t equals = pair.find('=');
        const std::string_view key = pair.substr(0, equals);
        if (key.empty() || (key != name && decoded(key) != name)) continue;
        return equals == pair.npos ? std::string() : decoded(pair.substr(equals + 1));
    }
    return std::nullopt;
}

std::optional<request> request::replay() const {
    std::optional<http::body> again = body_.replay();
    if (!again) return std::nullopt;
    request copy(head_, std::move(*again), extensions_.fork());
    copy.exchange_ = exchange_;
    return copy;
}

response::upgrading& response::for_upgrade() {
    if (!upgrading_) upgrading_ = std::make_unique<upgrading>();
    return *upgrading_;
}

void response::on_upgrade(any_service<io::stream, void> service) {
    for_upgrade().by = std::move(service);
}

void response::set_upgraded(io::stream s) { for_upgrade().taken = std::move(s); }

response response::error_for_status() && {
    const http::status s = status();
    if (s.code() < 400) return std::move(*this);
    failure_kind kind = s.code() < 500 ? failure_kind::invalid_input : failure_kind::unavailable;
    switch (s.code()) {
        case 401:
        case 407:
            kind = failure_kind::authentication;
            break;
        case 403:
        case 413:
        case 414:
        case 431:
        case 501:
        case 505:
            kind = failure_kind::rejected;
            break;
        case 408:
        case 504:
            kind = failure_kind::timeout;
            break;
        case 429:
            kind = failure_kind::exhausted;
            break;
        default:
            break;
    }
    // The reason phrase is the server's text: the failure has the registered one.
    std::string message = "the server answered " + std::to_string(s.code());
    if (!s.reason().empty()) message.append(" ").append(s.reason());
    failure f = failure(kind, std::move(message))
                    .in(failure_domain::application)
                    .delivered(delivery::processed)
                    .with("status", s.code())
                    .detail(answer_with{s});
    if (const auto wait = header("Retry-After")) {
        unsigned seconds = 0;
        const auto [end, error] =
            std::from_chars(wait->data(), wait->data() + wait->size(), seconds);
        if (error == std::errc() && end == wait->data() + wait->size())
            f = std::move(f).after(std::chrono::seconds(seconds));
    }
    throw f;
}

response text(std::string text, status s) {
    return content(http::body(std::move(text)), "text/plain; charset=utf-8", s);
}
response html(std::string text, status s) {
    return content(http::body(std::move(text)), "text/html; charset=utf-8", s);
}
response json(std::string text, status s) {
    return content(http::body(std::move(text)), "application/json", s);
}
response bytes(weft::bytes data, std::string_view content_type, status s) {
    return content(http::body(std::move(data)), content_type, s);
}

response redirect(std::string_view location, status s) {
    if (!s.is_redirect())
        throw failure(failure_kind::invalid_input, "a redirect needs a 3xx status")
            .with("status", s.code());
    response r(s);
    r.headers().add(field::location, location);
    return r;
}

}  // namespace weft::http
