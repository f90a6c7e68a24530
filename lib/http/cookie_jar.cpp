// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "set_cookie.hpp"
#include "url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/cookie_jar.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <list>
#include <mutex>

namespace weft::http {

namespace {

using rule = cookie::same_site_rule;

struct place {
    std::string host;  ///< in lower case
    std::string path;
    bool secure = false;
    bool is_address = false;
};

place place_of(const detail::destination& to) {
    place p;
    p.host = to.host;
    p.path = to.target.substr(0, to.target.find('?'));
    p.secure = to.secure;
    boost::system::error_code ec;
    boost::asio::ip::make_address(p.host, ec);
    p.is_address = !ec;
    return p;
}

/// RFC 6265bis 5.1.3.
bool domain_matches(std::string_view host, std::string_view domain, bool is_address) {
    if (host == domain) return true;
    return !is_address && host.size() > domain.size() && host.ends_with(domain) &&
           host[host.size() - domain.size() - 1] == '.';
}

/// RFC 6265bis 5.1.4.
bool path_matches(std::string_view path, std::string_view of_cookie) {
    if (!path.starts_with(of_cookie)) return false;
    return path.size() == of_cookie.size() || of_cookie.ends_with('/') ||
           path[of_cookie.size()] == '/';
}

std::string default_path(std::string_view path) {
    if (!path.starts_with('/')) return "/";
    const auto last = path.rfind('/');
    return last == 0 ? "/" : std::string(path.substr(0, last));
}

bool prefix_is_kept(const detail::set_cookie& c, bool host_only) {
    if (c.name.empty())
        return !detail::begins_like(c.value, "__Secure-") &&
               !detail::begins_like(c.value, "__Host-");
    if (detail::begins_like(c.name, "__Secure-")) return c.secure;
    if (detail::begins_like(c.name, "__Host-")) return c.secure && host_only && c.path == "/";
    return true;
}

bool expired(const cookie& c, cookie::time_point now) { return c.expires && *c.expires <= now; }

}  // namespace

struct cookie_jar::state {
    explicit state(cookie_jar_options o) : options(o) {}

    const cookie_jar_options options;
    mutable std::mutex mutex;
    std::list<cookie> all;  ///< in the order of their creation

    void put(cookie c, cookie::time_point now);
    void make_room(const std::string& domain, cookie::time_point now);
    template <class Which>
    bool drop_oldest(Which which);
};

/// The least recently used of those.
template <class Which>
bool cookie_jar::state::drop_oldest(Which which) {
    auto worst = all.end();
    for (auto i = all.begin(); i != all.end(); ++i)
        if (which(*i) && (worst == all.end() || i->used < worst->used)) worst = i;
    if (worst == all.end()) return false;
    all.erase(worst);
    return true;
}

/// RFC 6265bis 5.7: expired ones, then those of a domain that has too many (not secure ones first),
/// then any.
void cookie_jar::state::make_room(const std::string& domain, cookie::time_point now) {
    const auto here = [&](const cookie& c) { return c.domain == domain; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(all, here));
    if (count <= options.max_per_domain && all.size() <= options.max_cookies) return;
    std::erase_if(all, [&](const cookie& c) { return expired(c, now); });
    while (static_cast<std::size_t>(std::ranges::count_if(all, here)) > options.max_per_domain)
        if (!drop_oldest([&](const cookie& c) { return here(c) && !c.secure; })) drop_oldest(here);
    while (all.size() > options.max_cookies) drop_oldest([](const cookie&) { return true; });
}

void cookie_jar::state::put(cookie c, cookie::time_point now) {
    const auto old = std::ranges::find_if(all, [&](const cookie& o) {
        return o.name == c.name && o.domain == c.domain && o.host_only == c.host_only &&
               o.path == c.path;
    });
    const std::string domain = c.domain;
    if (old != all.end()) {
        c.created = old->created;
        if (expired(c, now))
            all.erase(old);
        else
            *old = std::move(c);
    } else if (!expired(c, now)) {
        all.push_back(std::move(c));
    }
    make_room(domain, now);
}

cookie_jar::cookie_jar(cookie_jar_options options) : state_(std::make_shared<state>(options)) {}

bool cookie_jar::store(std::string_view url, std::string_view field, time_point now,
                       request_site site) const {
    const place from = place_of(detail::destination_of(request(method::get, url)));
    const auto read = detail::parse_set_cookie(field, now);
    if (!read) return false;
    cookie c;
    c.name = read->name;
    c.value = read->value;
    c.domain = read->domain;
    if (!c.domain.empty() && detail::is_public_suffix(c.domain)) {
        if (c.domain != from.host) return false;
        c.domain.clear();
    }
    c.host_only = c.domain.empty();
    if (c.host_only)
        c.domain = from.host;
    else if (!domain_matches(from.host, c.domain, from.is_address))
        return false;
    c.path = read->path.value_or(default_path(from.path));
    c.secure = read->secure;
    c.http_only = read->http_only;
    c.same_site = read->same_site;
    c.expires = read->expires;
    c.created = c.used = now;
    if (c.secure && !from.secure) return false;
    if (c.same_site == rule::none && !c.secure) return false;
    if (site == request_site::cross && c.same_site != rule::none) return false;
    if (!prefix_is_kept(*read, c.host_only)) return false;
    const std::lock_guard lock(state_->mutex);
    if (!c.secure && !from.secure) {
        // A secure cookie is not overwritten, nor hidden, from where anybody can listen in.
        const auto shadows = [&](const cookie& o) {
            return o.secure && o.name == c.name &&
                   (domain_matches(o.domain, c.domain, false) ||
                    domain_matches(c.domain, o.domain, false)) &&
                   path_matches(c.path, o.path);
        };
        if (std::ranges::any_of(state_->all, shadows)) return false;
    }
    state_->put(std::move(c), now);
    return true;
}

std::string cookie_jar::header(std::string_view url, time_point now, const method& m,
                               request_site site) const {
    const place to = place_of(detail::destination_of(request(method::get, url)));
    const std::lock_guard lock(state_->mutex);
    struct candidate {
        cookie* c;
        std::size_t number;
    };
    std::vector<candidate> chosen;
    for (cookie& c : state_->all) {
        if (c.host_only ? c.domain != to.host : !domain_matches(to.host, c.domain, to.is_address))
            continue;
        if (!path_matches(to.path, c.path) || (c.secure && !to.secure) || expired(c, now)) continue;
        if (site == request_site::cross && c.same_site != rule::none) continue;
        if (site == request_site::navigation &&
            (c.same_site == rule::strict || (c.same_site != rule::none && !m.safe())))
            continue;
        chosen.push_back({&c, chosen.size()});
    }
    std::ranges::sort(chosen, [](const candidate& a, const candidate& b) {
        if (a.c->path.size() != b.c->path.size()) return a.c->path.size() > b.c->path.size();
        if (a.c->created != b.c->created) return a.c->created < b.c->created;
        return a.number < b.number;
    });
    std::string text;
    for (const auto& [c, number] : chosen) {
        c->used = now;
        if (!text.empty()) text += "; ";
        if (!c->name.empty()) (text += c->name) += '=';
        text += c->value;
    }
    return text;
}

void cookie_jar::add(cookie c) const {
    const std::lock_guard lock(state_->mutex);
    const auto now = std::max(c.created, c.used);
    state_->put(std::move(c), now);
}

std::vector<cookie> cookie_jar::all() const {
    const std::lock_guard lock(state_->mutex);
    return {state_->all.begin(), state_->all.end()};
}

std::size_t cookie_jar::size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->all.size();
}

void cookie_jar::clear() const {
    const std::lock_guard lock(state_->mutex);
    state_->all.clear();
}

namespace detail {

std::string add_cookies(const cookie_jar& jar, request& r, cookie::time_point now) {
    // A path of no server in particular has no cookies.
    if ((r.target().starts_with('/') || r.target() == "*") && !r.header("Host")) return {};
    const destination to = destination_of(r);
    std::string url = std::string(to.scheme()) + "://" + to.authority() +
                      (to.target.starts_with('/') ? to.target : "/");
    const auto* from = r.extensions().get<request_site>();
    std::string field = jar.header(url, now, r.method(), from ? *from : request_site::same);
    if (!field.empty()) {
        if (const auto own = r.header("Cookie")) field = std::string(*own) + "; " + field;
        r.headers().set(http::field::cookie, field);
    }
    return url;
}

void take_cookies(const cookie_jar& jar, const response& r, const std::string& url,
                  cookie::time_point now, request_site site) {
    if (url.empty()) return;
    for (const field_view f : r.headers().get_all(http::field::set_cookie))
        jar.store(url, f.value, now, site);
}

}  // namespace detail

}  // namespace weft::http
