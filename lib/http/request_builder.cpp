// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "client_state.hpp"
#include "url.hpp"
#include <weft/core/deadline.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/detail/chars.hpp>
#include <weft/http/json.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

namespace weft::http {

namespace asio = boost::asio;

namespace {
constexpr std::size_t largest_json = 16 * 1024 * 1024;

bool is_alphanumeric(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// As the URL standard's application/x-www-form-urlencoded serializer does.
void append_form_encoded(std::string& to, std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_alphanumeric(c) || c == '*' || c == '-' || c == '.' || c == '_') {
            to.push_back(c);
        } else if (c == ' ') {
            to.push_back('+');
        } else {
            const auto byte = static_cast<unsigned char>(c);
            to.push_back('%');
            to.push_back(digits[byte >> 4]);
            to.push_back(digits[byte & 15]);
        }
    }
}

std::string base64(std::string_view text) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((text.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < text.size(); i += 3) {
        std::uint32_t word = 0;
        const std::size_t n = std::min<std::size_t>(3, text.size() - i);
        for (std::size_t k = 0; k < 3; ++k)
            word = word << 8 | (k < n ? static_cast<unsigned char>(text[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k)
            out.push_back(k <= n ? letters[word >> (18 - 6 * k) & 63] : '=');
    }
    return out;
}
}  // namespace

request_builder::request_builder(std::shared_ptr<client::state> state, const method& m,
                                 std::string_view url)
    : state_(std::move(state)) {
    set_url(detail::without_fragment(url));
    request_.head().set_method(m);
}

void request_builder::set_url(std::string_view url) {
    no_target_.reset();
    if (!url.empty() && detail::all(url, detail::cc_target))
        request_.head().set_target(url);
    else
        no_target_.emplace(url);
}

request_builder& request_builder::query(std::string_view name, std::string_view value) & {
    std::string url = no_target_ ? std::move(*no_target_) : std::string(request_.target());
    set_url(detail::with_parameter(std::move(url), name, value));
    return *this;
}

request_builder& request_builder::headers(const http::headers& fields) & {
    for (const auto& f : fields) request_.headers().add(f.name, f.value);
    return *this;
}

request_builder& request_builder::header(std::string_view name, std::string_view value) & {
    request_.headers().add(name, value);
    return *this;
}

request_builder& request_builder::body(http::body content) & {
    request_.body() = std::move(content);
    return *this;
}

request_builder& request_builder::body(http::body content, std::string_view content_type) & {
    request_.headers().set(field::content_type, content_type);
    return body(std::move(content));
}

request_builder& request_builder::form(form_fields fields) & {
    std::string text;
    for (const auto& [name, value] : fields) {
        if (!text.empty()) text.push_back('&');
        append_form_encoded(text, name);
        text.push_back('=');
        append_form_encoded(text, value);
    }
    return body(http::body(std::move(text)), "application/x-www-form-urlencoded");
}

request_builder& request_builder::bearer_auth(std::string_view token) & {
    // RFC 6750 2.1: b64token
    for (const char c : token)
        if (!is_alphanumeric(c) && std::string_view("-._~+/=").find(c) == std::string_view::npos)
            throw failure(failure_kind::invalid_input, "not a bearer token");
    if (token.empty()) throw failure(failure_kind::invalid_input, "an empty bearer token");
    request_.headers().set(field::authorization, std::string("Bearer ").append(token));
    return *this;
}

request_builder& request_builder::basic_auth(std::string_view user, std::string_view password) & {
    // RFC 7617 2: no colon in the name, no control characters in either.
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (user.find(':') != user.npos || std::any_of(user.begin(), user.end(), control) ||
        std::any_of(password.begin(), password.end(), control))
        throw failure(failure_kind::invalid_input,
                      "a name or password that basic authentication cannot send");
    std::string both(user);
    both.append(":").append(password);
    request_.headers().set(field::authorization, "Basic " + base64(both));
    return *this;
}

request_builder& request_builder::timeout(std::chrono::nanoseconds limit) & {
    timeout_ = limit;
    return *this;
}

awaitable<response> request_builder::send() && {
    return [](request_builder self) -> awaitable<response> {
        if (self.no_target_) self.request_.head().set_target(*self.no_target_);  // throws
        const std::shared_ptr<client::state> state = std::move(self.state_);
        if (self.timeout_) {
            const auto executor = co_await asio::this_coro::executor;
            const auto now = context_info::of(executor).clock().now();
            const auto limit = std::chrono::ceil<clock::duration>(*self.timeout_);
            const deadline own{limit > clock::time_point::max() - now ? clock::time_point::max()
                                                                      : now + limit};
            // Nothing may move one later.
            const deadline* const given = self.request_.extensions().get<deadline>();
            if (!given || own.at < given->at) self.request_.extensions().insert(own);
        }
        co_return co_await detail::send_through(*state, std::move(self.request_));
    }(std::move(*this));
}

awaitable<std::string> request_builder::send_and_read() && {
    return [](request_builder self) -> awaitable<std::string> {
        const auto limit = self.timeout_;
        auto exchange = [](request_builder builder) -> awaitable<std::string> {
            response r = co_await std::move(builder).send();
            co_return co_await r.body().text(largest_json);
        };
        awaitable<std::string> whole = exchange(std::move(self));
        if (!limit) co_return co_await std::move(whole);
        co_return co_await with_deadline(std::chrono::ceil<clock::duration>(*limit),
                                         std::move(whole));
    }(std::move(*this));
}

void request_builder::start(
    asio::any_io_executor executor,
    asio::any_completion_handler<void(std::exception_ptr, response)> handler) && {
    auto slot = asio::get_associated_cancellation_slot(handler);
    asio::co_spawn(
        executor, std::move(*this).send(),
        asio::bind_cancellation_slot(
            slot, [handler = std::move(handler)](std::exception_ptr e, response r) mutable {
                std::move(handler)(e, std::move(r));
            }));
}

boost::json::value detail::parse_json(std::string_view text) {
    boost::system::error_code ec;
    boost::json::value parsed = boost::json::parse({text.data(), text.size()}, ec);
    if (ec)
        throw failure(failure_kind::protocol, ec, "the body is no JSON")
            .with("bytes", static_cast<long long>(text.size()));
    return parsed;
}

}  // namespace weft::http
