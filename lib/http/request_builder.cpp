// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "url.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/client.hpp>
#include <weft/http/json.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <string>
#include <utility>

namespace weft::http {

namespace asio = boost::asio;

namespace {
constexpr std::size_t largest_json = 16 * 1024 * 1024;
}

request_builder::request_builder(std::shared_ptr<client::state> state, const method& m,
                                 std::string_view url)
    : state_(std::move(state)), method_(m), url_(url) {}

request_builder& request_builder::query(std::string_view name, std::string_view value) & {
    url_ = detail::with_parameter(std::move(url_), name, value);
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

request_builder& request_builder::timeout(std::chrono::nanoseconds limit) & {
    timeout_ = limit;
    return *this;
}

awaitable<response> request_builder::send() && {
    return [](request_builder self) -> awaitable<response> {
        self.request_.head().set_method(self.method_);
        self.request_.head().set_target(detail::without_fragment(self.url_));
        client whole(std::move(self.state_));
        if (!self.timeout_) co_return co_await whole.serve(std::move(self.request_));
        const auto limit = std::chrono::ceil<clock::duration>(*self.timeout_);
        co_return co_await with_deadline(limit, whole.serve(std::move(self.request_)));
    }(std::move(*this));
}

awaitable<std::string> request_builder::send_and_read() && {
    return [](request_builder self) -> awaitable<std::string> {
        const auto limit = std::exchange(self.timeout_, std::nullopt);
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
