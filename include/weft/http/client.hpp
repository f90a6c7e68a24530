// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/detail/stack_names.hpp>
#include <weft/http/pool.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/net/connect_request.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/system_executor.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::http {

class request_builder;

/// How long the content of a response took, from its head to its end: an entry of the response's
/// extensions that is filled in when the body has been read.
struct body_time {
    /// Nothing before the end.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> took() const noexcept {
        const std::int64_t n = nanoseconds.load(std::memory_order_acquire);
        if (n < 0) return std::nullopt;
        return std::chrono::nanoseconds(n);
    }
    mutable std::atomic<std::int64_t> nanoseconds{-1};
};

/// An HTTP client: a service from request to response, with spellings for the common cases.
///
///     http::client client;
///     auto w = co_await client.get(url).query("q", "Gent").timeout(2s).as<weather>();
///     auto r = co_await weft::attempt(client.post(url).json(w).send());
///
/// A response of any status is a response: `error_for_status()` makes 4xx and 5xx failures for
/// those who want that. What keeps a response from coming is a thrown `failure`, whose delivery()
/// says whether the server may have seen the request.
///
/// It is a thin composition: layers of yours around a pool (weft/http/pool.hpp) around a connector;
/// `describe()` prints it. Copies share the connections. Safe to use from any executor and thread.
/// The last copy's destructor closes the idle connections; close() ends all and joins. An exchange
/// or a response body that is still in use keeps its connection.
///
/// The `deadline` in a request's extensions is honoured up to the response's head, by waiting,
/// connecting and retrying alike. The response's extensions say where the time went: a weft::phase
/// each for "queue", or for "dns", "connect" and "tls" when a connection was opened for it, for
/// "wait" up to the head, and an http::body_time. Their egress() is the connection's store, with
/// the net::connect_attempts in it.
class client {
  public:
    /// Connects by dns::connector(): names resolved and kept, the address that answers first.
    explicit client(client_options options = {});

    /// Runs on another stack: a connector (net::connect_request -> io::stream), such as
    /// testing::mock_connector or `timeout(2s) >> net::tcp::connector()`, or any service from
    /// request to response: a server's application can be the transport of a client.
    template <class Stack>
        requires(!std::same_as<std::remove_cvref_t<Stack>, client> &&
                 !std::same_as<std::remove_cvref_t<Stack>, client_options> &&
                 !std::same_as<std::remove_cvref_t<Stack>, http::pool> &&
                 (service<Stack, net::connect_request> || service<Stack, http::request>))
    explicit client(Stack&& stack, client_options options = {})
        : client(erase(std::forward<Stack>(stack)), std::move(options),
                 detail::stack_names<std::remove_cvref_t<Stack>>()) {}

    /// Shares a pool with others.
    explicit client(http::pool pool);

    /// The same client with a layer (or a chain of them) around it: they share the connections.
    ///
    ///     http::client api = client.with(http::retry({.attempts = 4}));
    ///     auto r = co_await api.get(url).send();
    ///
    /// A layer sees the request as it was built: with its absolute URL.
    template <layer_type Layer>
    [[nodiscard]] client with(Layer layer) const {
        return around(any_service<http::request, response>(std::move(layer) >> transport()),
                      detail::stack_names<Layer>());
    }

    /// What a request passes, outermost first:
    /// "pool -> http handshake -> tls -> connect timeout -> tcp".
    [[nodiscard]] std::string describe() const;

    /// What the pool holds now; all zero for a client without one.
    [[nodiscard]] pool_statistics statistics() const;

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
    /// the body is pulled from it. Cancelling ends the exchange.
    awaitable<response> serve(http::request r) const;

    /// Begins nothing new, closes what is idle, lets exchanges end within
    /// `client_options::close_timeout`, then cuts them off. Completes when no connection is left.
    awaitable<void> close() const;

    struct state;
    explicit client(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}

  private:
    client(net::connector connector, client_options options, std::string names);
    client(any_service<http::request, response> transport, client_options options,
           std::string names);
    [[nodiscard]] const any_service<http::request, response>& transport() const noexcept;
    [[nodiscard]] client around(any_service<http::request, response> whole,
                                std::string names) const;

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
    /// Adds fields.
    request_builder& headers(const http::headers& fields) &;
    request_builder&& headers(const http::headers& fields) && { return std::move(headers(fields)); }
    /// Sets the content.
    request_builder& body(http::body content) &;
    request_builder&& body(http::body content) && { return std::move(body(std::move(content))); }
    /// Sets the content and its Content-Type.
    request_builder& body(http::body content, std::string_view content_type) &;
    request_builder&& body(http::body content, std::string_view content_type) && {
        return std::move(body(std::move(content), content_type));
    }
    /// Sets the content to a file's, read as it is sent. Throws when it cannot be opened.
    request_builder& file(const std::filesystem::path& path,
                          std::string_view content_type = "application/octet-stream") & {
        return body(http::body::file(path), content_type);
    }
    request_builder&& file(const std::filesystem::path& path,
                           std::string_view content_type = "application/octet-stream") && {
        return std::move(file(path, content_type));
    }
    /// Sets the content to a form's fields, as a browser sends them
    /// (application/x-www-form-urlencoded).
    using form_fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
    request_builder& form(form_fields fields) &;
    request_builder&& form(form_fields fields) && { return std::move(form(fields)); }
    /// Sets Authorization to a bearer token (RFC 6750) or to a name and password (RFC 7617). Throws
    /// failure(invalid_input) when one of them cannot be sent; its text holds neither.
    request_builder& bearer_auth(std::string_view token) &;
    request_builder&& bearer_auth(std::string_view token) && {
        return std::move(bearer_auth(token));
    }
    request_builder& basic_auth(std::string_view user, std::string_view password) &;
    request_builder&& basic_auth(std::string_view user, std::string_view password) && {
        return std::move(basic_auth(user, password));
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
    /// The limit from send() to the last byte of the head, waiting, connecting and every retry
    /// included (a `deadline` in the request's extensions); for as(), to the end of the body. Then
    /// it fails with `timeout`. None by default, besides the client's own limits.
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

    void set_url(std::string_view url);

    std::shared_ptr<client::state> state_;
    http::request request_;
    std::optional<std::string> no_target_;  ///< a URL that none can be: send() says so
    std::optional<std::chrono::nanoseconds> timeout_;
};

}  // namespace weft::http
