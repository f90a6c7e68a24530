// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// Messages of Boost.Beast, both ways, for who comes from Beast. The one public header that names
// boost::beast.

#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/optional/optional.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::http {

namespace detail {

inline std::string_view view_of(boost::beast::string_view text) noexcept {
    return {text.data(), text.size()};
}

inline version version_of(unsigned beast_version) {
    if (beast_version == 10) return version::http_1_0;
    if (beast_version == 11) return version::http_1_1;
    throw failure(failure_kind::invalid_input, "not a version of HTTP/1")
        .with("version", static_cast<long long>(beast_version));
}

template <class Fields>
void copy_fields(const Fields& from, headers& to) {
    for (const auto& f : from)
        if (f.name() != boost::beast::http::field::transfer_encoding)
            to.add(view_of(f.name_string()), view_of(f.value()));
}

/// The body of a Beast message, written piece by piece by its Body's own writer.
template <bool IsRequest, class Body, class Fields>
class beast_source final : public body::source {
  public:
    using message = boost::beast::http::message<IsRequest, Body, Fields>;

    explicit beast_source(message m)
        : message_(std::move(m)), writer_(message_.base(), message_.body()) {
        boost::system::error_code ec;
        writer_.init(ec);
        if (ec) throw unwritable(ec);
        if constexpr (requires { Body::size(message_.body()); })
            left_ = Body::size(message_.body());
    }

    awaitable<std::optional<weft::bytes>> next() override {
        while (more_) {
            boost::system::error_code ec;
            auto piece = writer_.get(ec);
            if (ec) throw unwritable(ec);
            more_ = piece && piece->second;
            if (!piece) break;
            std::string text;
            text.reserve(boost::asio::buffer_size(piece->first));
            for (auto i = boost::asio::buffer_sequence_begin(piece->first);
                 i != boost::asio::buffer_sequence_end(piece->first); ++i) {
                const boost::asio::const_buffer b(*i);
                text.append(static_cast<const char*>(b.data()), b.size());
            }
            if (text.empty()) continue;
            if (left_) *left_ -= text.size();
            co_return weft::bytes(std::move(text));
        }
        co_return std::nullopt;
    }

    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return left_; }

  private:
    static failure unwritable(boost::system::error_code ec) {
        return {failure_kind::internal, ec, "the Beast body cannot be written"};
    }

    message message_;
    typename Body::writer writer_;
    std::optional<std::uint64_t> left_;
    bool more_ = true;
};

template <bool IsRequest, class Body, class Fields>
body body_of(boost::beast::http::message<IsRequest, Body, Fields>&& m) {
    if constexpr (std::is_same_v<typename Body::value_type, std::string>) {
        return body(std::move(m.body()));
    } else {
        return body(std::make_unique<beast_source<IsRequest, Body, Fields>>(std::move(m)));
    }
}

/// Reads a body into a Beast message with its Body's own reader, and says how long it is.
template <bool IsRequest, class Body, class Fields>
awaitable<void> fill(boost::beast::http::message<IsRequest, Body, Fields>& m, body from,
                     std::size_t limit) {
    typename Body::reader reader(m.base(), m.body());
    boost::system::error_code ec;
    const std::optional<std::uint64_t> size = from.size();
    boost::optional<std::uint64_t> announced;
    if (size) announced = *size;
    reader.init(announced, ec);
    std::uint64_t total = 0;
    while (!ec) {
        std::optional<weft::bytes> chunk = co_await from.next();
        if (!chunk) break;
        total += chunk->size();
        if (total > limit)
            throw failure(failure_kind::rejected, "the body is larger than allowed")
                .with("limit", static_cast<long long>(limit));
        for (boost::asio::const_buffer rest = chunk->buffer(); rest.size() != 0 && !ec;)
            rest += reader.put(rest, ec);
    }
    if (!ec) reader.finish(ec);
    if (ec)
        throw failure(failure_kind::invalid_input, ec, "the Beast body does not take the content");
    // An empty body leaves a length alone: the answer to HEAD has one.
    if (total != 0) m.content_length(total);
}

template <class Fields>
void copy_fields(const headers& from, Fields& to) {
    for (const field_view& f : from)
        if (f.id != field::transfer_encoding)
            to.insert(boost::beast::string_view(f.name.data(), f.name.size()),
                      boost::beast::string_view(f.value.data(), f.value.size()));
}

inline unsigned beast_version(version v) noexcept { return v == version::http_1_0 ? 10 : 11; }

}  // namespace detail

/// A request of Beast as one of weft. The body may be of any Beast Body with a writer (string_body
/// is moved, others are read piece by piece as they are sent; buffer_body is not meant for this).
/// Fields keep their order and case; Transfer-Encoding is left out, because weft frames the message
/// itself.
///
///     beast::http::request<beast::http::string_body> old(beast::http::verb::get, "/", 11);
///     http::request r = http::from_beast(std::move(old));
///
/// Throws failure(invalid_input) for a method, target or version that weft refuses.
template <class Body, class Fields>
[[nodiscard]] request from_beast(boost::beast::http::request<Body, Fields> m) {
    request_head head(http::method(detail::view_of(m.method_string())), detail::view_of(m.target()),
                      detail::version_of(m.version()));
    detail::copy_fields(m.base(), head.headers());
    return request(std::move(head), detail::body_of(std::move(m)));
}

/// A response of Beast as one of weft, as `from_beast(request)`. `Connection: close` is kept, and
/// obeyed by the server.
template <class Body, class Fields>
[[nodiscard]] response from_beast(boost::beast::http::response<Body, Fields> m) {
    response_head head;
    const std::string_view reason = detail::view_of(m.reason());
    const http::status status(static_cast<std::uint16_t>(m.result_int()));
    if (reason.empty() || reason == status.reason())
        head.set_status(status);
    else
        head.set_status(status, reason);
    head.set_version(detail::version_of(m.version()));
    detail::copy_fields(m.base(), head.headers());
    return response(std::move(head), detail::body_of(std::move(m)));
}

/// The longest body that a Beast message is given, in bytes, when nothing is said.
inline constexpr std::size_t default_beast_limit = std::size_t{1024} * 1024;

/// A request as one of Beast, its body read whole into a Beast Body with a reader. `limit` is in
/// bytes; a longer body throws failure(rejected). What the body throws is thrown.
///
///     auto old = co_await http::to_beast(std::move(r));            // with a string_body
///     auto any = co_await http::to_beast<beast::http::dynamic_body>(std::move(r));
template <class Body = boost::beast::http::string_body>
[[nodiscard]] awaitable<boost::beast::http::request<Body>> to_beast(
    request r, std::size_t limit = default_beast_limit) {
    boost::beast::http::request<Body> m;
    m.version(detail::beast_version(r.version()));
    m.method_string({r.method().text().data(), r.method().text().size()});
    m.target({r.target().data(), r.target().size()});
    detail::copy_fields(r.headers(), m.base());
    co_await detail::fill(m, std::move(r.body()), limit);
    co_return m;
}

/// A response as one of Beast, as `to_beast(request)`.
template <class Body = boost::beast::http::string_body>
[[nodiscard]] awaitable<boost::beast::http::response<Body>> to_beast(
    response r, std::size_t limit = default_beast_limit) {
    boost::beast::http::response<Body> m;
    m.version(detail::beast_version(r.version()));
    m.result(r.status().code());
    m.reason({r.reason().data(), r.reason().size()});
    detail::copy_fields(r.headers(), m.base());
    co_await detail::fill(m, std::move(r.body()), limit);
    co_return m;
}

/// A service around a function that was written for Beast: from a request with Body to a response
/// with any Body, or to an awaitable of one. The function is kept in the service and called from
/// many requests at once.
///
///     auto app = http::timeout(5s) >> http::beast_service(handle_request);
template <class Body = boost::beast::http::string_body, class Handler>
[[nodiscard]] auto beast_service(Handler handler, std::size_t limit = default_beast_limit) {
    using asked = boost::beast::http::request<Body>;
    static_assert(std::is_invocable_v<const Handler&, asked>,
                  "weft: beast_service takes a function of a Beast request");
    return [handler = std::move(handler), limit](request r) -> awaitable<response> {
        asked m = co_await to_beast<Body>(std::move(r), limit);
        if constexpr (requires { handler(std::move(m)).body(); }) {
            co_return from_beast(handler(std::move(m)));
        } else {
            auto answer = co_await handler(std::move(m));
            co_return from_beast(std::move(answer));
        }
    };
}

}  // namespace weft::http
