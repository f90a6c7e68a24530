// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace weft::http {

namespace detail {
class client_connection;
class pool_core;
}  // namespace detail

/// An open connection that speaks HTTP, in the hands of a pool.
using pooled_connection = std::shared_ptr<detail::client_connection>;
/// What opens one: `http::handshake() >> connector`.
using connection_opener = any_service<net::connect_request, pooled_connection>;

/// The layer between a connector and a pool: makes an HTTP connection of each stream.
///
///     http::pool pool(http::handshake(options) >> net::tcp::connector(), options);
///
/// Cancelling drops the stream.
class handshake : public pipeable {
  public:
    explicit handshake(client_options options = {})
        : options_(std::make_shared<const client_options>(std::move(options))) {}

    template <class Next>
    awaitable<pooled_connection> serve(net::connect_request to, const Next& next) const {
        return begin(options_, next(std::move(to)));
    }

  private:
    static awaitable<pooled_connection> begin(std::shared_ptr<const client_options> options,
                                              awaitable<io::stream> connecting);

    std::shared_ptr<const client_options> options_;
};

/// What a pool holds at one moment, all execution contexts together.
struct pool_statistics {
    std::size_t open = 0;        ///< connections, idle or in use
    std::size_t idle = 0;        ///< of these, without an exchange
    std::size_t in_use = 0;      ///< of these, with one or more
    std::size_t connecting = 0;  ///< connections that are being opened
    std::size_t waiting = 0;     ///< requests in the queues

    friend bool operator==(const pool_statistics&, const pool_statistics&) = default;
};

/// Connections that are kept and used again: a service from request to response.
///
///     http::pool pool(http::handshake() >> net::tcp::connector());
///     auto res = co_await pool.serve(http::request(http::method::get, "http://shop.test/"));
///     fmt::print("{} open\n", pool.statistics().open);
///
/// **Which connection.** One to the same scheme, host and port, opened with the same
/// connection-scoped extensions (weft/core/connection_scoped.hpp): a request that demands another
/// client certificate, or verification, never rides a connection made without. An HTTP/1 connection
/// carries one exchange, an HTTP/2 connection as many as its peer allows. The one used last is used
/// first, so that the others can end.
///
/// **Opening.** A request that finds none waits; a connection is opened for it, unless limits say
/// no. It takes the first that is free, that one or another. While it is not known whether an https
/// origin speaks HTTP/2, one connection is opened and all wait for it. Opening goes on when the
/// request is cancelled. When it fails, so does the request that waits longest; when nothing else
/// is open or being opened to that host, all that wait for it do.
///
/// **Waiting** is first come, first served, per host. A host without any connection that finds the
/// limit of all connections reached goes before a host that has some and whose requests came later.
///
/// **Ending.** A connection that broke, that either side closes, that is idle for too long, too old
/// or used up does not come back.
///
/// **Stale connections.** A kept connection may end just when a request is written to it. A request
/// that failed like that, before any byte of a response, is sent once more by itself, if it had
/// not been sent, or if its method is idempotent (RFC 9110 9.2.2, RFC 9112 9.3.1); and if its body
/// can be had again.
///
/// **Threads.** Copies share the connections. Safe to use from any executor and thread. Every
/// execution context has its own connections, queue and limits: on a weft::runtime a request meets
/// no other core's lock. On a context of several threads a connection has a strand of its own, and
/// exchanges hop to it.
///
/// The last copy's destructor closes idle connections and gives up opening others; an exchange or a
/// body that is still in use keeps its connection.
class pool {
  public:
    explicit pool(connection_opener open, client_options options = {});

    /// Sends a request whose target is an absolute URL, or whose Host field names the server.
    /// Completes with the head of the response; the body is pulled from it, and the connection is
    /// free when it has been read or dropped.
    ///
    /// Throws failure: what connecting or the exchange threw; `timeout`, not sent, when
    /// `queue_timeout` ran out; `exhausted`, not sent, when too many wait; `rejected`, not sent,
    /// when the pool is closed. Cancelling while it waits takes the request out of the queue, and
    /// it is never sent; during the exchange it ends the exchange, and an HTTP/1 connection with
    /// it. Any number may overlap.
    awaitable<response> serve(request r) const;

    /// Ends everything: begins nothing new, closes what is idle, lets exchanges end for
    /// `close_timeout`, then cuts them off. Completes when no connection is left.
    awaitable<void> close() const;

    [[nodiscard]] pool_statistics statistics() const;

  private:
    std::shared_ptr<detail::pool_core> core_;
};

}  // namespace weft::http
