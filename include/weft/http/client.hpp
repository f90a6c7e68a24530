// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/net/connect_request.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/system_executor.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::http {

class request_builder;

/// An HTTP client: a service from request to response, with spellings for the common cases.
///
///     http::client client;
///     auto w = co_await client.get(url).query("q", "Gent").timeout(2s).as<weather>();
///     auto r = co_await weft::attempt(client.post(url).json(w).send());
///
/// A response of any status is a response: `error_for_status()` makes 4xx and 5xx failures for
/// those who want that. What keeps a response from coming is a thrown `failure`, whose delivery()
/// says whether the server may have seen the request. Connections are kept and used again.
///
/// Copies share the connections. Safe to use from any executor and thread: an exchange runs on the
/// executor of the coroutine that awaits it, and a kept connection is only reused there. The last
/// copy's destructor closes the idle connections; close() does so now. An exchange or a response
/// body that is still in use keeps its connection.
class client {
  public:
    /// Connects by TCP, names resolved by the system.
    explicit client(client_options options = {});

    /// Runs on another stack: a connector (net::connect_request -> io::stream), such as
    /// testing::mock_connector, or any service from request to response: a server's application can
    /// be the transport of a client.
    template <class Stack>
        requires(!std::same_as<std::remove_cvref_t<Stack>, client> &&
                 !std::same_as<std::remove_cvref_t<Stack>, client_options> &&
                 (service<Stack, net::connect_request> || service<Stack, http::request>))
    explicit client(Stack&& stack, client_options options = {})
        : client(erase(std::forward<Stack>(stack)), std::move(options)) {}

    explicit client(net::connector connector, client_options options = {});
    explicit client(any_service<http::request, response> transport, client_options options = {});

    /// Requests to be filled in; nothing happens before send(), as() or a completion token. An
    /// unusable URL throws there.
    [[nodiscard]] request_builder get(std::string_view url) const;
    [[nodiscard]] request_builder head(std::string_view url) const;
    [[nodiscard]] request_builder post(std::string_view url) const;
    [[nodiscard]] request_builder put(std::string_view url) const;
    [[nodiscard]] request_builder patch(std::string_view url) const;
    [[nodiscard]] request_builder delete_(std::string_view url) const;
    [[nodiscard]] request_builder request(const method& m, std::string_view url) const;

    /// Sends a request whose target is an absolute URL, or whose Host
    /// field names the server. Completes with the head of the response;
    /// the body is pulled from it. Cancelling closes the connection.
    awaitable<response> serve(http::request r) const;

    /// Closes the idle connections now, and those in use when they come back.
    awaitable<void> close() const;

    struct state;
    explicit client(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}

  private:
    template <class Stack>
    static auto erase(Stack&& stack) {
        if constexpr (service<Stack, net::connect_request>)
            return net::connector(std::forward<Stack>(stack));
        else
            return any_service<http::request, response>(std::forward<Stack>(stack));
    }

    std::shared_ptr<state> state_;
};

namespace detail {
/// Defined by weft/http/json.hpp, so that only those who use JSON pay for its headers.
template <class T>
struct json_access;
}  // namespace detail

/// A request being put together. It shares its client, so it may outlive it; use it once.
///
///     auto res = co_await client.post(url).header("X-Id", "7").body("text").timeout(2s).send();
///
/// It is not awaitable itself: send() and as() give awaitables, and calling it with a completion
/// token is the door for Asio programs: `client.get(url)(asio::use_future)`.
class request_builder {
  public:
    /// Adds a query parameter, percent-encoded.
    request_builder& query(std::string_view name, std::string_view value) &;
    request_builder&& query(std::string_view name, std::string_view value) && {
        return std::move(query(name, value));
    }
    /// Adds a field. Throws failure(invalid_input) for a name or a value that no field can have.
    request_builder& header(std::string_view name, std::string_view value) &;
    request_builder&& header(std::string_view name, std::string_view value) && {
        return std::move(header(name, value));
    }
    /// Sets the content.
    request_builder& body(http::body content) &;
    request_builder&& body(http::body content) && { return std::move(body(std::move(content))); }
    /// Sets the content and its Content-Type.
    request_builder& body(http::body content, std::string_view content_type) &;
    request_builder&& body(http::body content, std::string_view content_type) && {
        return std::move(body(std::move(content), content_type));
    }
    /// Sets the content to `value` as JSON (Boost.JSON's value_from). Needs weft/http/json.hpp.
    template <class T>
    request_builder& json(const T& value) & {
        return body(http::body(detail::json_access<T>::encode(value)), "application/json");
    }
    template <class T>
    request_builder&& json(const T& value) && {
        return std::move(json(value));
    }
    /// The limit from now to the last byte of the head, connecting included; for as(), to the end
    /// of the body. Then it fails with `timeout`. None by default, besides the client's own limits.
    request_builder& timeout(std::chrono::nanoseconds limit) &;
    request_builder&& timeout(std::chrono::nanoseconds limit) && {
        return std::move(timeout(limit));
    }
    /// Hands a fact to the layers and the transport.
    template <class T>
    request_builder& extension(T value) & {
        request_.extensions().insert(std::move(value));
        return *this;
    }
    template <class T>
    request_builder&& extension(T value) && {
        return std::move(extension(std::move(value)));
    }

    /// The response, with its body still to be pulled.
    awaitable<response> send() &&;
    /// Sends, reads the whole body (at most 16 MiB) and makes a T of its JSON (Boost.JSON's
    /// value_to). A body that is no JSON of a T fails with `protocol`. The status is not looked at.
    /// Needs weft/http/json.hpp.
    template <class T>
    awaitable<T> as() && {
        return decode<T>(std::move(*this).send_and_read());
    }

    /// Sends, for any Asio completion token: void(std::exception_ptr, response). Runs on the
    /// token's associated executor; without one (use_future), on Asio's system executor.
    template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(std::exception_ptr, response)) Token>
    auto operator()(Token&& token) && {
        return boost::asio::async_initiate<Token, void(std::exception_ptr, response)>(
            [](auto handler, request_builder self) {
                const boost::asio::any_io_executor executor =
                    boost::asio::get_associated_executor(handler, boost::asio::system_executor());
                std::move(self).start(executor, std::move(handler));
            },
            token, std::move(*this));
    }

  private:
    friend class client;
    request_builder(std::shared_ptr<client::state> state, const method& m, std::string_view url);

    void start(boost::asio::any_io_executor executor,
               boost::asio::any_completion_handler<void(std::exception_ptr, response)> handler) &&;
    awaitable<std::string> send_and_read() &&;
    template <class T>
    static awaitable<T> decode(awaitable<std::string> content) {
        std::string text = co_await std::move(content);
        co_return detail::json_access<T>::decode(text);
    }

    std::shared_ptr<client::state> state_;
    http::method method_;
    std::string url_;
    http::request request_;
    std::optional<std::chrono::nanoseconds> timeout_;
};

}  // namespace weft::http
