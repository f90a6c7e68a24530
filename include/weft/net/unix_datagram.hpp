// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/listen_socket.hpp>
#include <weft/net/socket_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <memory>
#include <source_location>
#include <string_view>

namespace weft::net::unix_domain {

struct datagram_options {
    /// What the system is told about the socket: its buffers.
    socket_options socket = {};
    /// Of a socket with a path.
    socket_file_options file = {};
};

/// One datagram that came.
struct received_datagram {
    std::size_t bytes = 0;  ///< that are in the buffer
    std::size_t size = 0;   ///< of the datagram; more than `bytes` when it was truncated
    unix_endpoint from;     ///< empty when the sender has no name

    [[nodiscard]] bool truncated() const noexcept { return size > bytes; }
};

/// A Unix datagram socket: messages between processes of one machine. None is lost, and none
/// overtakes another; a sender waits while the receiver's queue is full.
///
///     net::unix_domain::datagram_socket log(ex, "/run/log.sock");
///     auto got = co_await log.receive(asio::buffer(memory));
///
/// As net::udp::socket: one receive and one send at a time, the caller keeps the memory, cancelling
/// loses no datagram, one executor, which must be serial. Failures: unavailable (nobody has that
/// name), rejected (no permission), invalid_input (too large).
class datagram_socket {
  public:
    using received_type = received_datagram;

    /// With a name: a path, or "@name" in the abstract namespace; "unix:" before it is allowed. An
    /// empty name: it can send, and cannot be answered. Throws failure that names the address.
    explicit datagram_socket(boost::asio::any_io_executor executor, std::string_view name = {},
                             const datagram_options& options = {});
    datagram_socket(datagram_socket&&) noexcept;
    datagram_socket& operator=(datagram_socket&&) noexcept;
    ~datagram_socket();

    /// From now on `send` goes there, and only from there is received. Throws failure.
    void connect(std::string_view name);

    [[nodiscard]] const unix_endpoint& local_endpoint() const noexcept;
    [[nodiscard]] int native_socket() const noexcept;

    awaitable<received_datagram> receive(
        boost::asio::mutable_buffer buffer,
        std::source_location where = std::source_location::current());
    awaitable<void> send(boost::asio::const_buffer data,
                         std::source_location where = std::source_location::current());
    awaitable<void> send_to(boost::asio::const_buffer data, const unix_endpoint& to,
                            std::source_location where = std::source_location::current());

    /// Ends what is pending with operation_aborted.
    void close() noexcept;

  private:
    struct state;
    static awaitable<void> send_there(state* s, boost::asio::const_buffer data, unix_endpoint to,
                                      std::source_location where);

    std::unique_ptr<state> state_;
};

}  // namespace weft::net::unix_domain
