// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/headers.hpp>
#include <weft/http/method.hpp>
#include <weft/http/status.hpp>
#include <weft/http/version.hpp>

#include <string_view>
#include <utility>

namespace weft::http {

/// What comes before the content of a request: method, target, version and fields.
///
///     request_head head(method::post, "/items?draft=1");
///     head.headers().add("Host", "shop.test");
///     head.method() == method::post;   head.target() == "/items?draft=1";
///
/// One pointer in size, one allocation for everything; copying copies, moving moves the pointer.
/// Views into it are valid until the next change.
class request_head {
  public:
    /// GET / HTTP/1.1 without fields; allocates nothing.
    request_head() noexcept = default;
    /// Throws failure(invalid_input) for what `set_target` refuses.
    request_head(const http::method& m, std::string_view target,
                 http::version v = http::version::http_1_1);
    request_head(const request_head& other) : fields_(copy(other)) {}
    request_head(request_head&& other) noexcept
        : fields_(std::exchange(other.fields_.block_, nullptr)) {}
    request_head& operator=(request_head other) noexcept {
        swap(other);
        return *this;
    }

    [[nodiscard]] const http::method& method() const noexcept {
        return has_line() ? fields_.block_->method : http::method::get;
    }
    /// The target as on the wire (RFC 9112 3.2): usually the path and the query, never empty.
    [[nodiscard]] std::string_view target() const noexcept {
        return has_line() ? fields_.block_->line() : std::string_view("/");
    }
    [[nodiscard]] http::version version() const noexcept {
        return has_line() ? fields_.block_->version : http::version::http_1_1;
    }
    [[nodiscard]] const http::headers& headers() const noexcept { return fields_; }
    [[nodiscard]] http::headers& headers() noexcept { return fields_; }

    void set_method(const http::method& m);
    /// Throws failure(invalid_input) when `target` is empty or has a byte that no target
    /// has: a space, a control character, '#', or one that is not ASCII.
    void set_target(std::string_view target);
    void set_version(http::version v);

    void swap(request_head& other) noexcept { std::swap(fields_.block_, other.fields_.block_); }
    friend void swap(request_head& a, request_head& b) noexcept { a.swap(b); }

  private:
    friend struct head_access;
    [[nodiscard]] bool has_line() const noexcept {
        return fields_.block_ && fields_.block_->kind == detail::block_kind::request;
    }
    static detail::field_block* copy(const request_head&);

    http::headers fields_;
};

/// What comes before the content of a response: status, reason phrase, version and fields.
///
///     response_head head(status::not_found);
///     head.headers().add("Content-Type", "text/plain");
///     head.status() == 404;   head.reason() == "Not Found";
///
/// One pointer in size, one allocation for everything.
class response_head {
  public:
    /// HTTP/1.1 200 OK without fields; allocates nothing.
    response_head() noexcept = default;
    explicit response_head(http::status s) {
        if (s != http::status::ok) set_status(s);
    }
    response_head(const response_head& other) : fields_(copy(other)) {}
    response_head(response_head&& other) noexcept
        : fields_(std::exchange(other.fields_.block_, nullptr)) {}
    response_head& operator=(response_head other) noexcept {
        swap(other);
        return *this;
    }

    [[nodiscard]] http::status status() const noexcept {
        return has_line() ? http::status(fields_.block_->status) : http::status();
    }
    /// The phrase that came with the code, or was set; else the usual one of the code.
    [[nodiscard]] std::string_view reason() const noexcept {
        return has_line() && fields_.block_->line_size != 0 ? fields_.block_->line()
                                                            : status().reason();
    }
    [[nodiscard]] http::version version() const noexcept {
        return has_line() ? fields_.block_->version : http::version::http_1_1;
    }
    [[nodiscard]] const http::headers& headers() const noexcept { return fields_; }
    [[nodiscard]] http::headers& headers() noexcept { return fields_; }

    /// Sets the code, with its usual phrase.
    void set_status(http::status s);
    /// Sets the code and a phrase. Throws failure(invalid_input)
    /// when `reason` has control characters.
    void set_status(http::status s, std::string_view reason);
    void set_version(http::version v);

    void swap(response_head& other) noexcept { std::swap(fields_.block_, other.fields_.block_); }
    friend void swap(response_head& a, response_head& b) noexcept { a.swap(b); }

  private:
    friend struct head_access;
    [[nodiscard]] bool has_line() const noexcept {
        return fields_.block_ && fields_.block_->kind == detail::block_kind::response;
    }
    static detail::field_block* copy(const response_head&);

    http::headers fields_;
};

static_assert(sizeof(request_head) == sizeof(void*) && sizeof(response_head) == sizeof(void*));

}  // namespace weft::http
