// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/http/body.hpp>
#include <weft/http/client_options.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/version.hpp>
#include <weft/io/stream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <functional>
#include <memory>

namespace weft::http::detail {

/// A detail of the failure of an exchange: no byte of a response to it has come.
struct unanswered {};

/// A request's content on its way out. What lies in memory stays there as well, because the request
/// may have to be sent again.
inline http::body content_of(request& r) {
    if (const weft::bytes* whole = r.body().in_memory()) return http::body(*whole);
    return std::move(r.body());
}

/// An open connection to a server, whatever version of HTTP it speaks: what http::connection and
/// the pool drive. It lives in a shared_ptr, and keeps itself alive while an exchange or a body is
/// under way. All of it on its executor, but for get_executor() and version().
class client_connection {
  public:
    client_connection() = default;
    client_connection(const client_connection&) = delete;
    client_connection& operator=(const client_connection&) = delete;
    virtual ~client_connection() = default;

    [[nodiscard]] virtual boost::asio::any_io_executor get_executor() const = 0;
    [[nodiscard]] virtual http::version version() const noexcept = 0;

    /// Sends the request, whose target and Host field are as HTTP/1 writes them, and gives the head
    /// of the response, with the body behind it. Only while available() is not 0. The exchange is
    /// over when the response's body has been pulled to its end, or dropped. What it throws is not
    /// delivered as long as no byte was sent, or the peer has said that it did not look at it.
    ///
    /// `r` stays the caller's, who awaits this at once. Afterwards it is as it was, so that it can
    /// be sent again, but for a content that does not lie in memory: that is gone.
    virtual awaitable<response> exchange(request* r) = 0;

    /// How many exchanges may begin now, as far as is known. HTTP/1: 1 or 0. HTTP/2: what the
    /// peer's limit on streams leaves. 0 for ever once the connection is closed, was drained by the
    /// peer or broke.
    [[nodiscard]] virtual std::size_t available() = 0;
    /// Whether an exchange may begin in this turn. Asks the stream whether it has ended meanwhile.
    [[nodiscard]] virtual bool is_ready() { return available() > 0; }
    /// How many exchanges are under way.
    [[nodiscard]] virtual std::size_t exchanges() const noexcept = 0;
    /// Whether available() can still become more than 0: not closed, not draining.
    [[nodiscard]] virtual bool usable() const noexcept = 0;

    /// Called whenever available() or usable() may have become another: an exchange is over, the
    /// peer changed its limit, drains or has gone. It may set on_change anew, and call close(), but
    /// begins no exchange inside.
    std::function<void(client_connection&)> on_change;

    /// Closes by itself when no exchange begins for `client_options::idle_timeout` from now.
    virtual void start_idling() = 0;
    /// Ends it when the exchanges under way are over (HTTP/2: with GOAWAY); none begins any more.
    virtual void drain() = 0;
    /// Ends it now: exchanges under way fail.
    virtual void close() = 0;
};

/// The connection that a stream carries: HTTP/2 where the options or ALPN say so, else HTTP/1.
std::shared_ptr<client_connection> make_client_connection(
    io::stream s, const std::shared_ptr<const client_options>& options);

}  // namespace weft::http::detail
