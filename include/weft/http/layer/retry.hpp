// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/layer/hedge.hpp>
#include <weft/layer/retry.hpp>

#include <optional>
#include <source_location>
#include <utility>

namespace weft::http {

/// What a response asks for in Retry-After (RFC 9110 10.2.3): seconds, or a date, which is taken
/// relative to the response's own Date; nullopt when there is none that can be read.
[[nodiscard]] std::optional<clock::duration> retry_after(const response& r) noexcept;

/// When an HTTP request is sent again (RFC 9110 9.2.2).
///
/// A failure: when the request was not sent, whatever its method; otherwise when the method is
/// idempotent (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) and the failure is one that may pass. A
/// response: 408, 429, 502, 503 and 504 to an idempotent method. Both wait as long as they are
/// asked to. The body must be one that can be had again: in memory, or a file.
struct retry_policy {
    /// Treat every method as idempotent: for requests that carry an idempotency key.
    bool any_method = false;

    [[nodiscard]] retry_verdict on_failure(const request& r, const failure& f) const noexcept;
    [[nodiscard]] retry_verdict on_response(const request& r,
                                            const response& answer) const noexcept;
};

/// weft::retry with that policy.
///
///     auto api = http::retry({.attempts = 4}) >> client;
///     http::response r = co_await api.serve(http::request(http::method::get, url));
///
/// Belongs around a client, outside of the timeout of a single try.
class retry : public weft::retry<retry_policy> {
  public:
    explicit retry(retry_options options = {}, retry_policy policy = {},
                   std::source_location where = std::source_location::current())
        : weft::retry<retry_policy>(std::move(options), policy, where) {}
};

/// weft::hedge for safe methods (GET, HEAD, OPTIONS, TRACE); a 5xx waits for a better answer while
/// another attempt runs.
struct hedge_policy {
    [[nodiscard]] bool repeatable(const request& r) const noexcept { return r.method().safe(); }
    [[nodiscard]] retry_verdict on_response(const request&, const response& r) const noexcept {
        return {.again = r.status().is_server_error()};
    }
};
class hedge : public weft::hedge<hedge_policy> {
  public:
    explicit hedge(hedge_options options = {},
                   std::source_location where = std::source_location::current())
        : weft::hedge<hedge_policy>(std::move(options), {}, where) {}
};

}  // namespace weft::http
