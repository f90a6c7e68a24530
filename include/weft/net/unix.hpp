// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/connect_request.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/file_descriptor.hpp>
#include <weft/net/socket_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <fmt/core.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Unix sockets: streams between processes of one machine, by a path ("/run/app.sock") or a name
/// in Linux's abstract namespace ("@app"). Listening is net::listener, net::serve or http::serve
/// with "unix:/run/app.sock"; this header has the connector, who the peer is, and passing
/// descriptors. Datagrams: unix_datagram.hpp.

namespace weft::net {

/// Who is at the other end of a Unix connection, as the system saw it when it was made; in the
/// extensions of the stream. It cannot be forged: use it to decide who may do what.
///
///     auto* who = stream.extensions().get<net::peer_credentials>();
///     if (!who || who->user != 0) co_return;              // root only
struct peer_credentials {
    std::uint32_t user = 0;   ///< effective user id
    std::uint32_t group = 0;  ///< effective group id
    /// Process id; it may be used again by another process once that one has ended. 0: in another
    /// namespace.
    std::int32_t process = 0;
    friend bool operator==(const peer_credentials&, const peer_credentials&) = default;
};

/// The name of our end of a Unix connection; in the extensions of the stream.
struct unix_local_endpoint {
    unix_endpoint value;
    friend bool operator==(const unix_local_endpoint&, const unix_local_endpoint&) = default;
};

/// The name that a Unix connection was made to; in the extensions of the connector's stream. (A
/// client has no name: a listener's streams do not have it.)
struct unix_peer_endpoint {
    unix_endpoint value;
    friend bool operator==(const unix_peer_endpoint&, const unix_peer_endpoint&) = default;
};

namespace unix_domain {

struct connect_options {
    /// How long to wait for a place in the listener's queue when that is full. Zero: not at all.
    std::chrono::milliseconds timeout{10'000};
    /// What the system is told about the socket.
    socket_options socket = {};
};

/// The connector of one Unix socket: a service from connect_request to io::stream. Host and port of
/// the request do not matter: all connections go to that socket.
///
///     http::client client(net::unix_domain::connector("/run/app.sock"));
///     auto res = co_await client.get("http://app/status").send();
///
/// The stream belongs to the caller's executor and holds peer_credentials and unix_peer_endpoint in
/// its extensions. Throws failure: unavailable (no such file, nobody listens), rejected (no
/// permission) or timeout (a full queue), domain transport, delivery not_sent, with the path in its
/// context. Cancellation gives up at once.
class connector {
  public:
    /// `path` is a path, or "@name"; "unix:" in front of it is allowed. Throws failure, kind
    /// invalid_input, when it is no name.
    explicit connector(std::string_view path, connect_options options = {});

    awaitable<io::stream> serve(connect_request to) const;

  private:
    unix_endpoint to_;
    connect_options options_;
};

/// Takes over a connected Unix stream socket and makes it a stream on `executor`; closes it when
/// that fails, or it is no such socket (failure, kind invalid_input).
io::stream adopt(boost::asio::any_io_executor executor, file_descriptor socket);

/// The most descriptors that one send or receive carries (SCM_MAX_FD).
inline constexpr std::size_t max_descriptors = 253;

/// Sends open descriptors with `data`, at least one byte, over a Unix stream: the peer gets
/// descriptors for the same open files (SCM_RIGHTS, unix(7)). All of `data` is written; the
/// descriptors go with its first byte, and stay the sender's.
///
///     std::array passed{log.get()};
///     co_await net::unix_domain::send_descriptors(stream, asio::buffer("log", 3), passed);
///
/// Not while another write on the stream is under way. The caller keeps stream, data and
/// descriptors until it completes. Cancelled while it waits, it may have sent a part, as a write.
/// Throws failure; kind invalid_input when the stream is no native Unix socket.
awaitable<void> send_descriptors(io::stream& stream, boost::asio::const_buffer data,
                                 std::span<const int> descriptors,
                                 std::source_location where = std::source_location::current());

/// What receive_descriptors read.
struct received_descriptors {
    std::size_t bytes = 0;  ///< 0: end of file
    std::vector<file_descriptor> descriptors;
    /// The peer sent more descriptors than `most`; those that did not fit are closed.
    bool truncated = false;
};

/// Reads bytes and the descriptors that came with them; a read does not cross from one set of
/// descriptors to the next. They are close-on-exec.
///
///     auto got = co_await net::unix_domain::receive_descriptors(stream, asio::buffer(memory), 1);
///     if (!got.descriptors.empty()) log = std::move(got.descriptors[0]);
///
/// Descriptors that arrive where `read` is called are closed by the system. Not while another read
/// is under way. The caller keeps stream and buffer until it completes. Cancelling loses nothing.
/// Throws failure; kind invalid_input when the stream is no native Unix socket.
awaitable<received_descriptors> receive_descriptors(
    io::stream& stream, boost::asio::mutable_buffer buffer, std::size_t most = max_descriptors,
    std::source_location where = std::source_location::current());

}  // namespace unix_domain

}  // namespace weft::net

template <>
struct fmt::formatter<weft::net::peer_credentials> {
    static constexpr auto parse(fmt::format_parse_context& in) { return in.begin(); }
    fmt::format_context::iterator format(const weft::net::peer_credentials& c,
                                         fmt::format_context& out) const;
};
