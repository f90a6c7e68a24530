// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/listen_socket.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

namespace weft::net {

namespace detail {
class acceptor;
}

/// Accepts connections: of TCP or of a Unix socket, on a socket of its own or one that was given.
///
///     net::listener listener(ex, "unix:/run/app.sock", {.file = {.permissions = 0660}});
///     while (io::stream s = co_await listener.accept()) scope.spawn(serve(std::move(s)));
///
/// Connections belong to the listener's executor when that is serial (weft::run, weft::runtime, a
/// strand, single_threaded), else each gets a strand of its own on it. The extensions of a TCP
/// connection hold peer_endpoint and local_endpoint, those of a Unix connection peer_credentials
/// and unix_local_endpoint (unix.hpp).
///
/// When descriptors or memory run out, accepting pauses until one of its connections closes, or for
/// a tenth of a second, and goes on; it never spins. Connections that die before they are accepted
/// are passed over.
///
/// Threads: accept and close may be called from any executor. Destroying it needs that no accept is
/// under way.
class listener {
  public:
    /// Opens, binds and listens; `address` is what listen_socket reads. Throws failure that names
    /// the address, or the socket option.
    listener(boost::asio::any_io_executor executor, std::string_view address,
             const listen_options& options = {});
    /// Accepts from a socket that listens already. Zero connections: no limit.
    listener(boost::asio::any_io_executor executor, listen_socket socket,
             std::size_t max_connections = 0);
    listener(listener&&) noexcept;
    listener& operator=(listener&&) noexcept;
    /// Closes at once: connections that nobody accepted are reset, unless another listener or
    /// process shares the socket.
    ~listener();

    /// Where it listens; the port is the real one when 0 was asked for.
    [[nodiscard]] const any_endpoint& local_endpoint() const noexcept;

    /// The next connection, or an empty stream once the listener is closed and drained. Does not
    /// suspend while the system has one ready. Several may wait; they are served in turn.
    /// Cancelling loses no connection. Throws failure when the socket itself fails.
    awaitable<io::stream> accept(std::source_location where = std::source_location::current());

    /// The graceful end: what the system has already accepted for us still comes out of accept,
    /// then empty streams; what the socket shares with a process that took it over stays in the
    /// queue for that. From any thread. New clients are refused once the last one has come out; the
    /// file of a Unix socket is gone at once.
    void close() noexcept;

    /// Connections of this listener that live now.
    [[nodiscard]] std::size_t live() const noexcept;

    /// Called, on the listener's executor, whenever somebody waits for a connection and none can be
    /// taken for want of descriptors, memory or place (max_connections); again every tenth of a
    /// second while that lasts. Whoever keeps connections may close idle ones. Set before the first
    /// accept; it must not throw.
    void on_exhausted(std::function<void()> relieve);

  private:
    std::shared_ptr<detail::acceptor> acceptor_;
};

namespace tcp {

using net::listen_options;

/// The same for TCP alone.
///
///     net::tcp::listener listener(co_await asio::this_coro::executor, "127.0.0.1:8080");
///     while (io::stream s = co_await listener.accept()) scope.spawn(serve(std::move(s)));
class listener {
  public:
    /// `address` as parse_endpoint reads it. Throws failure that names the address.
    listener(boost::asio::any_io_executor executor, std::string_view address,
             const listen_options& options = {})
        : listener(std::move(executor), parse_endpoint(address), options) {}
    listener(boost::asio::any_io_executor executor, const endpoint& address,
             const listen_options& options = {})
        : listener_(std::move(executor), listen_socket(any_endpoint(address), options),
                    options.max_connections) {}

    [[nodiscard]] endpoint local_endpoint() const { return listener_.local_endpoint().ip(); }
    awaitable<io::stream> accept(std::source_location where = std::source_location::current()) {
        return listener_.accept(where);
    }
    void close() noexcept { listener_.close(); }
    [[nodiscard]] std::size_t live() const noexcept { return listener_.live(); }
    void on_exhausted(std::function<void()> relieve) { listener_.on_exhausted(std::move(relieve)); }

  private:
    net::listener listener_;
};

}  // namespace tcp

}  // namespace weft::net
