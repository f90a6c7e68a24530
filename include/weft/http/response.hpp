// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/extensions.hpp>
#include <weft/http/body.hpp>
#include <weft/http/head.hpp>
#include <weft/io/stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft::http {

/// A response: head, body and extensions. Move-only, and cheap to move.
///
///     http::response r = http::text("made");
///     r.set_status(http::status::created);
///     r.headers().set("Location", "/items/7");
///
/// What a server leaves to you: nothing that is needed on the wire. Content-Length or chunked
/// coding, Connection and Date are added; a Transfer-Encoding field of yours is dropped, and a
/// Content-Length of yours must be right.
class response {
  public:
    /// 200 without content.
    response() noexcept = default;
    explicit response(http::status s, http::body content = {})
        : head_(s), body_(std::move(content)) {}
    explicit response(response_head head, http::body content = {}, weft::extensions ext = {})
        : head_(std::move(head)), body_(std::move(content)), extensions_(std::move(ext)) {}

    [[nodiscard]] http::status status() const noexcept { return head_.status(); }
    [[nodiscard]] std::string_view reason() const noexcept { return head_.reason(); }
    [[nodiscard]] http::version version() const noexcept { return head_.version(); }
    [[nodiscard]] const http::headers& headers() const noexcept { return head_.headers(); }
    [[nodiscard]] http::headers& headers() noexcept { return head_.headers(); }
    [[nodiscard]] const response_head& head() const noexcept { return head_; }
    [[nodiscard]] response_head& head() noexcept { return head_; }
    [[nodiscard]] http::body& body() noexcept { return body_; }
    [[nodiscard]] const http::body& body() const noexcept { return body_; }
    [[nodiscard]] const weft::extensions& extensions() const noexcept { return extensions_; }
    /// Replaces the store: a driver's, or a layer's that forked the request's.
    void set_extensions(weft::extensions ext) noexcept { extensions_ = std::move(ext); }

    /// The first field of that name, or nullopt.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
        return headers().get(name);
    }
    void set_status(http::status s) { head_.set_status(s); }
    void set_body(http::body content) noexcept { body_ = std::move(content); }

    /// For a client that takes 4xx and 5xx for failures: gives the response back when its status is
    /// below 400, else throws a failure of the application domain, processed, that names the status
    /// and never the body. Its kind: 401 and 407 authentication, 403, 413, 414, 431, 501 and 505
    /// rejected, 408 and 504 timeout, 429 exhausted, other 4xx invalid_input, other 5xx
    /// unavailable. retry_after() is what Retry-After says in seconds. A handler that lets it pass
    /// answers with the same status (http::answer_with).
    ///
    ///     auto r = (co_await client.get(url).send()).error_for_status();
    [[nodiscard]] response error_for_status() &&;

    /// Takes the connection over once the head is sent (RFC 9110 7.8): with status 101, or 200 to a
    /// CONNECT. The service gets the stream, with what the peer sent ahead in front of it, and the
    /// connection ends when it returns. The request must have asked for it; otherwise the server
    /// answers 500 instead.
    ///
    ///     http::response r(http::status::switching_protocols);
    ///     r.headers().set("Upgrade", "echo");
    ///     r.on_upgrade([](io::stream s) -> awaitable<void> { co_await echo(std::move(s)); });
    void on_upgrade(any_service<io::stream, void> service);
    [[nodiscard]] const any_service<io::stream, void>* upgrade() const noexcept {
        return upgrading_ && upgrading_->by ? &upgrading_->by : nullptr;
    }

    /// On the client, after 101 or a 2xx to CONNECT: the connection, which is then the caller's.
    /// Empty otherwise.
    [[nodiscard]] io::stream take_upgraded() noexcept {
        return upgrading_ ? std::move(upgrading_->taken) : io::stream();
    }
    void set_upgraded(io::stream s);

  private:
    response_head head_;
    http::body body_;
    weft::extensions extensions_;
    /// Apart, because few responses have it and every layer moves them.
    struct upgrading {
        any_service<io::stream, void> by;
        io::stream taken;
    };
    upgrading& for_upgrade();

    std::unique_ptr<upgrading> upgrading_;
};

static_assert(sizeof(response) <= 48);

/// A text/plain response in UTF-8.
[[nodiscard]] response text(std::string content, status s = status::ok);
/// A text/html response in UTF-8.
[[nodiscard]] response html(std::string content, status s = status::ok);
/// An application/json response of text that is JSON
/// already; http/json.hpp has the one that serialises.
[[nodiscard]] response json(std::string text, status s = status::ok);
/// A response of any bytes.
[[nodiscard]] response bytes(weft::bytes content,
                             std::string_view content_type = "application/octet-stream",
                             status s = status::ok);
/// A redirect to `location`, 302 unless said otherwise. Throws failure(invalid_input) when
/// `location` has control characters or `s` is no redirect.
[[nodiscard]] response redirect(std::string_view location, status s = status::found);

}  // namespace weft::http
