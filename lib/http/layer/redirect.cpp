// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/layer/redirect.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include <string_view>

namespace weft::http::detail {

namespace {

bool is_followed(int code) noexcept {
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/// What no URL has, but servers write: escaped, as browsers do.
std::string mended(std::string_view location) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view never = "\"<>\\^`{|}";
    std::string text;
    for (const char c : location) {
        const auto u = static_cast<unsigned char>(c);
        if (u <= 0x20 || u >= 0x7f || never.find(c) != never.npos) {
            text += '%';
            text += digits[u >> 4];
            text += digits[u & 15];
        } else {
            text += c;
        }
    }
    return text;
}

std::string text_of(const destination& to) {
    return std::string(to.scheme()) + "://" + to.authority() + (to.target == "*" ? "/" : to.target);
}

/// Where a Location leads, without user information and fragment.
std::optional<std::string> resolved(const std::string& base, std::string_view location) {
    const auto from = boost::urls::parse_uri(base);
    const std::string text = mended(location);
    const auto reference = boost::urls::parse_uri_reference(text);
    if (!from || !reference) return std::nullopt;
    boost::urls::url made;
    if (boost::urls::resolve(*from, *reference, made).has_error()) return std::nullopt;
    made.remove_userinfo();
    made.remove_fragment();
    return std::string(made.buffer());
}

failure refused(failure_kind kind, std::string why, const std::string& url,
                std::string_view location) {
    const auto at = resolved(url, location);
    return failure(kind, std::move(why))
        .with("url", url)
        .with("location", at ? *at : std::string("?"))
        .in(kind == failure_kind::protocol ? failure_domain::protocol : failure_domain::local)
        .delivered(delivery::processed);
}

void drop_content(request_head& head) {
    for (const char* name :
         {"Content-Length", "Content-Type", "Content-Encoding", "Content-Language",
          "Content-Location", "Content-Digest", "Repr-Digest", "Digest", "Last-Modified",
          "Transfer-Encoding", "Trailer", "Expect"})
        head.headers().erase(name);
}

}  // namespace

sent_request::sent_request(const request& r)
    : head(r.head()), content(r.body().replay()), ext(r.extensions().fork()) {}

redirect_trail::redirect_trail(const redirect_options& options, const request& first)
    : options_(options) {
    // Who asks for a path of no server in particular gets what comes.
    const bool has_server = !first.target().starts_with('/') || first.header("Host");
    if (first.method() != method::connect && first.target() != "*" && has_server)
        url_ = text_of(destination_of(first));
}

std::optional<request> redirect_trail::follow(const response& r, sent_request& sent) {
    if (!is_followed(r.status().code()) || url_.empty()) return std::nullopt;
    const auto location = r.header("Location");
    if (!location) return std::nullopt;
    const auto target = resolved(url_, *location);
    if (!target)
        throw refused(failure_kind::protocol, "the redirect's Location is no URL", url_, *location);
    if (hops_.size() >= options_.max)
        throw refused(failure_kind::rejected,
                      "more than " + std::to_string(options_.max) + " redirects", url_, *location);
    if (!target->starts_with("http://") && !target->starts_with("https://"))
        throw refused(failure_kind::rejected, "a redirect to something else than http", url_,
                      *location);

    const int code = r.status().code();
    method m = sent.head.method();
    const bool becomes_get =
        code == 303 ? m != method::head : (code == 301 || code == 302) && m == method::post;
    if (becomes_get) {
        m = method::get;
        drop_content(sent.head);
        sent.content.emplace();
    } else if (!sent.content) {
        throw refused(failure_kind::rejected,
                      "a redirect asks for the content again, which cannot be had twice", url_,
                      *location);
    }

    const destination from = destination_of(request(method::get, url_));
    destination to;
    try {
        to = destination_of(request(method::get, *target));
    } catch (const failure&) {
        throw refused(failure_kind::protocol, "the redirect's Location is no URL", url_, *location);
    }
    if (from.secure && !to.secure && !options_.dangerously_allow_downgrade)
        throw refused(failure_kind::rejected, "a redirect from https to http", url_, *location);
    headers& fields = sent.head.headers();
    if (from.secure != to.secure || from.host != to.host || from.port != to.port) {
        fields.erase(field::authorization);
        fields.erase(field::cookie);
        fields.erase(field::proxy_authorization);
        for (const std::string& name : options_.secret_fields) fields.erase(name);
        fields.erase(field::host);
    }
    sent.head.set_method(m);
    sent.head.set_target(*target);
    hops_.push_back({r.status(), std::move(url_), *target, m});
    url_ = text_of(to);
    request next(std::move(sent.head), std::move(*sent.content), std::move(sent.ext));
    next.extensions().insert(hops_.back());
    return next;
}

void redirect_trail::leave_in(const response& r) const {
    if (hops_.empty() || r.extensions().get<redirect_hop>()) return;
    for (const redirect_hop& hop : hops_) r.extensions().insert(hop);
}

}  // namespace weft::http::detail
