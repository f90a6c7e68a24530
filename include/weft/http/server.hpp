// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/observe.hpp>
#include <weft/http/h2_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/io/stream.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft::http {

/// What an application is, once erased.
using any_app = any_service<request, response>;

/// The limits of a server, and whom it tells. The defaults are safe for the open internet.
struct server_options {
    /// A request line longer than this is answered 414.
    std::size_t max_request_line = 8 * 1024;
    /// A header block (all fields) larger than this is answered 431.
    std::size_t max_header_block = 16 * 1024;
    /// More fields than this are answered 431; trailer fields count by themselves.
    std::size_t max_fields = 100;
    /// A body larger than this is answered 413, as soon as its size is known.
    std::uint64_t max_body = 64 * 1024 * 1024;

    /// From the first byte of a request to the end of its
    /// head: however slowly they trickle in. Then 408.
    std::chrono::milliseconds header_timeout = std::chrono::seconds(10);
    /// How long a kept connection waits for its next request.
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);
    /// How long a handler that pulls the body waits for its next bytes.
    std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
    /// How long a peer may take no byte of what is being sent.
    std::chrono::milliseconds write_timeout = std::chrono::seconds(30);
    /// The least rate of a body, in bytes a second, over the time that the handler waited for it,
    /// after the first `body_timeout` of such waiting; 0 for none.
    std::uint64_t min_body_rate = 240;
    /// The least rate at which a peer takes what is sent, in bytes a second, over the time that it
    /// was waited for, after the first `write_timeout` of such waiting; 0 for none.
    std::uint64_t min_send_rate = 240;
    /// How long a connection that is being closed is read and thrown away, so that the peer gets to
    /// read the last response instead of a reset. The same for a request over HTTP/2 that was
    /// answered before it came to its end.
    std::chrono::milliseconds linger_timeout = std::chrono::seconds(2);

    /// A client that sends end of file while its request is being handled is gone: the handler is
    /// cancelled. True lets clients half-close and still wait for the response.
    bool half_close = false;

    /// What is spoken. With both, ALPN decides over TLS ("h2"), and on clear text the first bytes
    /// of the connection (RFC 9113 3.3).
    bool speak_http1 = true;
    bool speak_http2 = true;
    /// Of HTTP/2; the limits above hold there too, those of bodies and responses for each stream.
    h2_options h2 = {};

    /// Hears of requests that were refused (debug) and of applications that threw (answered 5xx:
    /// warn, and error when it is 500; else debug), and counts connections and requests. It is put
    /// into the store of each connection, so an application's own records reach it too. None by
    /// default: then one that the stream brought with it is told, or nobody.
    weft::observer observe = {};
    /// Called with what an application threw without a status in mind, which the client sees as a
    /// 500 or as a body that breaks off; its context has the call ("GET /cart"). Called where the
    /// connection runs, so by several threads at once on a weft::runtime. None by default;
    /// http::serve sets its own on_failure here.
    std::function<void(const failure&)> on_failure = {};
};

/// Serves an application over connections: a service from io::stream
/// to void, which an acceptor, a test or your own code calls once
/// for each connection. HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112),
/// and HTTP/2 (RFC 9113).
///
///     http::server server(log_slow(200ms) >> app);
///     co_await server.serve(std::move(stream));        // until the connection ends
///
/// Strict about what it reads: a request that could be understood in two ways is refused with 400,
/// or the fitting status, and nothing after it is read. Keep-alive and pipelining, with responses
/// in order and written together; chunked coding and trailers both ways, 100-continue, upgrades.
///
/// serve() completes when the connection is closed, normally also after an error of the peer: those
/// are told to the observer, not thrown. It runs on the stream's executor, wherever it is awaited.
/// Cancelling it ends the connection at once. The application is called for one request of an
/// HTTP/1 connection after the other, and for many streams and connections at the same time; when
/// it throws, the client gets the fitting status (status_of: 500 for what is not classified)
/// without any detail.
///
/// Copies share the application and the list of connections.
class server {
  public:
    template <class App>
        requires(!std::same_as<std::remove_cvref_t<App>, server>)
    explicit server(App&& app, server_options options = {})
        : server(any_app(std::forward<App>(app)), std::move(options), 0) {}

    awaitable<void> serve(io::stream connection) const;

    /// Tells every connection to come to its end: those that wait for a request are closed, the
    /// others after the response they are at. Who has just connected has a request on the way: that
    /// one is answered when it comes within a second of the connection, also after drain(). May be
    /// called from any thread.
    void drain() const;

    /// Ends connections that have waited for a request for a second at least, those first that have
    /// waited longest; how many those are. Those it has told within the last five seconds and that
    /// are still there (HTTP/2 says good-bye first, which takes a round trip) count: `most` is how
    /// many are ending at any time. http::serve does so when descriptors, memory or places run out
    /// and somebody wants to come in. From any thread; throws std::bad_alloc.
    std::size_t close_idle(std::size_t most) const;

    /// How many connections are being served.
    [[nodiscard]] std::size_t connections() const noexcept;

  private:
    struct state;
    class listed;
    server(any_app app, server_options options, int);

    std::shared_ptr<state> state_;
};

/// A failure may carry this detail: the status that a
/// server answers with when an application throws it.
///
///     throw failure(failure_kind::invalid_input, "no such shop").detail(http::answer_with{404});
struct answer_with {
    http::status status;
};

/// The status that a server answers with to a failure: its `answer_with`, else by its kind:
/// invalid_input 400, authentication 401, rejected and exhausted and unavailable 503, timeout 504,
/// anything else 500.
[[nodiscard]] http::status status_of(const failure& f) noexcept;

}  // namespace weft::http
