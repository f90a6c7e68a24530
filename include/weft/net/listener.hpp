// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/endpoint.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <memory>
#include <source_location>
#include <string_view>

namespace weft::net::tcp {

struct listen_options {
    /// Connections that the operating system holds for us before they are accepted; it may hold
    /// fewer.
    int backlog = 4096;
    /// Lets several listeners share one address, one per core; the system spreads connections over
    /// them.
    bool reuse_port = false;
    /// Connections of this listener that may live at once; then accepting waits for one to close.
    /// Zero: no limit.
    std::size_t max_connections = 0;
    /// Listens to IPv6 only, where the address is [::]. Else IPv4 comes in there too.
    bool v6_only = false;
};

/// Accepts TCP connections.
///
///     net::tcp::listener listener(co_await asio::this_coro::executor, "127.0.0.1:8080");
///     while (io::stream s = co_await listener.accept()) scope.spawn(serve(std::move(s)));
///
/// Connections belong to the listener's executor when that is serial (weft::run, weft::runtime, a
/// strand, single_threaded), else each gets a strand of its own on it. Their extensions hold
/// peer_endpoint and local_endpoint.
///
/// When descriptors or memory run out, accepting pauses until one of its connections closes, or for
/// a tenth of a second, and goes on; it never spins. Connections that die before they are accepted
/// are passed over.
///
/// Threads: accept and close may be called from any executor. Destroying it needs that no accept is
/// under way.
class listener {
  public:
    /// Opens, binds and listens. `address` as parse_endpoint reads it. Throws failure that names
    /// the address.
    listener(boost::asio::any_io_executor executor, std::string_view address,
             listen_options options = {});
    listener(boost::asio::any_io_executor executor, const endpoint& address,
             listen_options options = {});
    listener(listener&&) noexcept;
    listener& operator=(listener&&) noexcept;
    /// Closes at once: connections that nobody accepted are reset.
    ~listener();

    /// Where it listens; the port is the real one when 0 was asked for.
    [[nodiscard]] endpoint local_endpoint() const noexcept;

    /// The next connection, or an empty stream once the listener is closed and drained. Does not
    /// suspend while the system has one ready. Several may wait; they are served in turn.
    /// Cancelling loses no connection. Throws failure when the socket itself fails.
    awaitable<io::stream> accept(std::source_location where = std::source_location::current());

    /// The graceful end: what the system has already accepted for us still comes out of accept,
    /// then empty streams. From any thread. New clients are refused once the last one has come out.
    void close() noexcept;

    /// Connections of this listener that live now.
    [[nodiscard]] std::size_t live() const noexcept;

    class state;

  private:
    std::shared_ptr<state> state_;
};

}  // namespace weft::net::tcp
