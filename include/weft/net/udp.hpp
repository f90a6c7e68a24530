// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/throttle.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/socket_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

namespace weft::net::udp {

struct options {
    /// What the system is told about the socket.
    socket_options socket = {};
    /// Sending waits until it may: bytes of payload per second, one bandwidth for as many sockets
    /// as hold it.
    std::optional<io::bandwidth> pace = {};
    /// Lets the system hand over several datagrams of one peer as one (GRO): `received::segment` is
    /// then their size. Give buffers of 64 KiB.
    bool coalesce = false;
    /// ICMP errors become failures of receive and send: port, host or network unreachable, too big.
    /// On a socket that is not connected they tell of any peer (`address` in the failure's
    /// context), so there the default is that the system drops them.
    std::optional<bool> icmp_errors = {};
};

/// One datagram that came.
struct received {
    std::size_t bytes = 0;  ///< that are in the buffer
    std::size_t size = 0;   ///< of the datagram; more than `bytes` when it was truncated
    endpoint from;
    /// Not zero: the buffer holds several datagrams of this size, the last one perhaps shorter
    /// (options::coalesce).
    std::size_t segment = 0;

    [[nodiscard]] bool truncated() const noexcept { return size > bytes; }
};

/// One place of a batch to receive into.
struct slot {
    boost::asio::mutable_buffer buffer;  ///< the caller's
    received result = {};
};

/// One datagram of a batch to send; or many of one size.
struct outgoing {
    boost::asio::const_buffer data;
    std::optional<endpoint> to = {};  ///< where the socket is not connected
    /// Not zero: `data` is cut into datagrams of this size by the system (GSO), at most 64 KiB and
    /// 64 datagrams; the last one may be shorter. Where the network device cannot, they are sent
    /// one by one.
    std::size_t segment = 0;
};

/// The most datagrams that one batch call moves; what is beyond waits for the next.
inline constexpr std::size_t max_batch = 64;

/// A UDP socket, bound or connected.
///
///     net::udp::socket socket(ex, "127.0.0.1:5353");
///     for (;;) {
///         auto got = co_await socket.receive(asio::buffer(memory));
///         co_await socket.send_to(asio::buffer(memory, got.bytes), got.from);
///     }
///
/// A connected socket hears one peer only, and hears of it when nobody is there: the failure of
/// kind unavailable that follows an ICMP error (context `icmp`, `address`) is given to the next
/// receive or send, once; then the socket goes on. A deadline is with_deadline around any of these.
///
/// One receive and one send at a time (a second of the same kind throws already_started). They
/// complete without suspending where the system can do it at once. The caller keeps all memory
/// until they complete. Cancelling loses no datagram; the socket may be moved meanwhile; destroying
/// it ends them with operation_aborted. Failures: exhausted, unavailable,
/// invalid_input (a datagram too large, with its size), rejected.
///
/// Threads: a socket belongs to its executor, which must be serial (a strand on a thread pool).
class socket {
  public:
    using received_type = received;

    /// Bound to `address`, as parse_endpoint reads it: "127.0.0.1:0", ":53", "[::1]:5353". Throws
    /// failure that names the address, or the socket option.
    socket(boost::asio::any_io_executor executor, std::string_view address,
           const options& options = {});
    socket(boost::asio::any_io_executor executor, const endpoint& address,
           const options& options = {});
    /// Connected to `peer`, from an address that the system chooses.
    static socket connected(boost::asio::any_io_executor executor, const endpoint& peer,
                            const options& options = {});
    socket(socket&&) noexcept;
    socket& operator=(socket&&) noexcept;
    ~socket();

    [[nodiscard]] endpoint local_endpoint() const;
    /// Of a connected socket.
    [[nodiscard]] const std::optional<endpoint>& peer() const noexcept;
    [[nodiscard]] boost::asio::any_io_executor get_executor() const;
    [[nodiscard]] int native_socket() const noexcept;

    /// Waits for the next datagram. One that is longer than the buffer is truncated, and says so.
    awaitable<received> receive(boost::asio::mutable_buffer buffer,
                                std::source_location where = std::source_location::current());
    /// Waits for one datagram, and takes at most max_batch that are there (recvmmsg): how many
    /// slots were filled.
    awaitable<std::size_t> receive_batch(
        std::span<slot> slots, std::source_location where = std::source_location::current());

    /// Sends one datagram to the peer; waits for its pace, and for room in the system.
    awaitable<void> send(boost::asio::const_buffer data,
                         std::source_location where = std::source_location::current());
    awaitable<void> send_to(boost::asio::const_buffer data, const endpoint& to,
                            std::source_location where = std::source_location::current());
    /// Sends all of them, in as few system calls as it takes (sendmmsg). Stops at the first that
    /// fails: the failure's context has `sent`, how many entries went before it.
    awaitable<void> send_batch(std::span<const outgoing> batch,
                               std::source_location where = std::source_location::current());

    /// Ends what is pending with operation_aborted.
    void close() noexcept;

  private:
    struct state;
    explicit socket(std::unique_ptr<state> s) noexcept;

    std::unique_ptr<state> state_;
};

/// A socket on the caller's executor that is connected to the first address of a name. Throws
/// failure, kind unavailable, when there is no such host.
awaitable<socket> connect(std::string host, std::uint16_t port, options options = {});

}  // namespace weft::net::udp
