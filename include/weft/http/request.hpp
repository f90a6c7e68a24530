// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/http/body.hpp>
#include <weft/http/head.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::http {

namespace detail {
class interim_port;
}

/// A request: head, body and extensions. Move-only, and cheap to move.
///
///     auto app = [](http::request r) -> awaitable<http::response> {
///         if (r.path() != "/greet") co_return http::text("nothing here", 404);
///         co_return http::text("Hello, " + r.query("name").value_or("world"));
///     };
///
/// On a server the target is what came over the wire, and `extensions().ingress()` leads to the
/// facts of the connection. For a client the target is an absolute URL
/// ("http://shop.test/cart?x=1"), from which the connection takes the host and sends the rest.
class request {
  public:
    /// GET /, without content.
    request() noexcept = default;
    /// Throws failure(invalid_input) when `target` has bytes that no target may have.
    request(const http::method& m, std::string_view target, http::body content = {})
        : head_(m, target), body_(std::move(content)) {}
    explicit request(request_head head, http::body content = {}, weft::extensions ext = {})
        : head_(std::move(head)), body_(std::move(content)), extensions_(std::move(ext)) {}

    [[nodiscard]] const http::method& method() const noexcept { return head_.method(); }
    [[nodiscard]] std::string_view target() const noexcept { return head_.target(); }
    [[nodiscard]] http::version version() const noexcept { return head_.version(); }
    [[nodiscard]] const http::headers& headers() const noexcept { return head_.headers(); }
    [[nodiscard]] http::headers& headers() noexcept { return head_.headers(); }
    [[nodiscard]] const request_head& head() const noexcept { return head_; }
    [[nodiscard]] request_head& head() noexcept { return head_; }
    [[nodiscard]] http::body& body() noexcept { return body_; }
    [[nodiscard]] const http::body& body() const noexcept { return body_; }
    [[nodiscard]] const weft::extensions& extensions() const noexcept { return extensions_; }

    /// The first field of that name, or nullopt.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
        return headers().get(name);
    }

    /// The path as it was sent (percent-encoded), without the query: "/a%20b" of "/a%20b?x=1" and
    /// of "http://h/a%20b?x=1"; "*" and a CONNECT authority are given as they are.
    [[nodiscard]] std::string_view path() const noexcept;
    /// The query as it was sent, without the question mark; "" when there is none.
    [[nodiscard]] std::string_view query() const noexcept;
    /// The first query parameter of that name, decoded ('+' is a space, as forms send it); nullopt
    /// when there is none. A parameter without '=' has the empty value; a broken percent-escape
    /// leaves the value as it was sent.
    [[nodiscard]] std::optional<std::string> query(std::string_view name) const;

    /// "GET /cart": for logs. Without the query, which may hold what is nobody's business.
    [[nodiscard]] std::string call_name() const;

    /// The same request again, with the rights of a new attempt (its extensions fork this one's),
    /// or nullopt when the body cannot be had twice.
    [[nodiscard]] std::optional<request> replay() const;

  private:
    friend class interim_sender;
    friend class detail::interim_port;
    request_head head_;
    http::body body_;
    weft::extensions extensions_;
    std::uint32_t exchange_ = 0;  // its number on a server's connection
};

static_assert(sizeof(request) <= 48);

}  // namespace weft::http
