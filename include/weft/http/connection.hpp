// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/io/stream.hpp>

#include <memory>
#include <utility>

namespace weft::http {

/// An open HTTP connection to a server: a service from request to response over one stream.
///
///     http::connection c = co_await http::connect(std::move(stream));
///     http::response r = co_await c.serve(http::request(http::method::get, "http://shop.test/"));
///
/// HTTP/1 or HTTP/2, as client_options::protocol says. Over HTTP/1 requests go one after the other:
/// a second one waits, in order, until the response before it has been read to its end, unless all
/// of it came at once. Over HTTP/2 they go at the same time, as many as the server allows. Copies
/// share the connection; the last one closes it, unless a response's body is still being read.
class connection {
  public:
    /// Target: origin-form with a Host field, or an absolute URL (from which Host is taken).
    awaitable<response> serve(request r) const;
    /// Whether another request can be sent.
    [[nodiscard]] bool is_open() const noexcept;
    /// Ends the connection.
    void close() const;

    struct state;
    explicit connection(std::shared_ptr<state> s) noexcept : state_(std::move(s)) {}

  private:
    std::shared_ptr<state> state_;
};

/// Makes an HTTP connection of a stream that is connected to a server. Over TLS it speaks what ALPN
/// agreed on (RFC 9113 3.3).
///
/// Throws failure, kind protocol, not sent, when `protocol` asks for something else than that.
awaitable<connection> connect(io::stream stream, client_options options = {});

}  // namespace weft::http
