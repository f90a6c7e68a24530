// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/this_coro.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::http {

/// A cookie as it lies in a jar.
struct cookie {
    enum class same_site_rule : unsigned char { unset, none, lax, strict };
    using time_point = clock::wall_time_point;

    std::string name;
    std::string value;
    std::string domain;  ///< in lower case
    std::string path = "/";
    bool host_only = true;   ///< for `domain` itself, not for what is below it
    bool secure = false;     ///< over https only
    bool http_only = false;  ///< kept for who writes the jar down; means nothing here
    same_site_rule same_site = same_site_rule::unset;
    std::optional<time_point> expires = {};  ///< unset: until the jar goes
    time_point created = {};
    time_point used = {};
};

/// Where a request comes from, as RFC 6265bis 5.2 asks: what SameSite is judged by. Put it into a
/// request's extensions; a program that calls by itself needs none.
enum class request_site : unsigned char {
    same,        ///< the program's own call, or one from a page of the same site
    navigation,  ///< somebody followed a link from another site
    cross        ///< another site's page asks for it
};

struct cookie_jar_options {
    std::size_t max_cookies = 3000;
    std::size_t max_per_domain = 180;
};

/// Cookies of many servers (RFC 6265bis), for one user or one purpose.
///
///     http::cookie_jar jar;
///     auto api = http::cookies(jar) >> http::client();
///     for (const http::cookie& c : jar.all()) log(c.name);
///
/// What a server may set is held to the rules: a domain it belongs to and that is no public suffix
/// (through libpsl; without it, no top-level domain), Secure over https only, the __Secure- and
/// __Host- prefixes, SameSite=None with Secure only, no control characters, at most 4096 bytes of
/// name and value and 400 days of life. Nobody overwrites a secure cookie over http. When there are
/// too many, those that expired go first, then the least recently used.
///
/// Copies share the cookies. Any function from any thread. A jar holds secrets: it prints none.
class cookie_jar {
  public:
    using time_point = cookie::time_point;

    explicit cookie_jar(cookie_jar_options options = {});

    /// Takes the value of one Set-Cookie field of a response from `url`; false when it is refused.
    /// Throws failure, kind invalid_input, for what is no absolute http URL.
    bool store(std::string_view url, std::string_view set_cookie, time_point now,
               request_site site = request_site::same) const;
    /// The value of the Cookie field for a request to `url`; "" for none.
    [[nodiscard]] std::string header(std::string_view url, time_point now,
                                     const method& m = method::get,
                                     request_site site = request_site::same) const;

    /// Puts a cookie in as it is: from a file, say.
    void add(cookie c) const;
    /// All of them, expired ones included, oldest first.
    [[nodiscard]] std::vector<cookie> all() const;
    [[nodiscard]] std::size_t size() const;
    void clear() const;

  private:
    struct state;
    std::shared_ptr<state> state_;
};

/// Whether libpsl told this build what public suffixes are.
[[nodiscard]] bool knows_public_suffixes() noexcept;

namespace detail {
/// Adds the Cookie field; gives the URL that the response's cookies belong to.
std::string add_cookies(const cookie_jar& jar, request& r, cookie::time_point now);
void take_cookies(const cookie_jar& jar, const response& r, const std::string& url,
                  cookie::time_point now, request_site site);
}  // namespace detail

/// A client's layer that sends a jar's cookies and keeps those that come back.
///
///     auto api = http::follow_redirects() >> http::cookies(jar) >> http::client();
///
/// Belongs inside of follow_redirects, so that each hop has its own. A Cookie field of the request
/// is kept, and the jar's cookies come behind it. Expiry is by the context's clock.
class cookies : public pipeable {
  public:
    explicit cookies(cookie_jar jar) : jar_(std::move(jar)) {}

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const auto executor = co_await boost::asio::this_coro::executor;
        const clock& time = context_info::of(executor).clock();
        const auto* from = r.extensions().get<request_site>();
        const request_site site = from ? *from : request_site::same;
        const std::string url = detail::add_cookies(jar_, r, time.wall_now());
        response answer = co_await next(std::move(r));
        detail::take_cookies(jar_, answer, url, time.wall_now(), site);
        co_return answer;
    }

  private:
    cookie_jar jar_;
};

}  // namespace weft::http
