// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "readiness.hpp"
#include "set_options.hpp"
#include "socket.hpp"
#include "unix_address.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/unix.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/executor.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace weft::net::unix_domain {

namespace asio = boost::asio;
using io::error_code;

namespace {

error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

failure about(failure f, const unix_endpoint& to) {
    return std::move(f)
        .with("path", to.path)
        .in(failure_domain::transport)
        .delivered(delivery::not_sent);
}

/// Connecting to a Unix socket ends at once: done, refused, or no place in the queue (EAGAIN), and
/// then nothing tells when there is one. So we ask again, less and less often.
awaitable<io::stream> connect_to(unix_endpoint to, connect_options options) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    context_info& info = context_info::of(executor);
    const wait_scope waiting(info, "connect", std::source_location::current());
    const net::detail::unix_address address(to);
    file_descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) throw about(failure::from(last_error(), "cannot connect"), to);
    net::detail::set_options(socket.get(), options.socket, net::detail::socket_role::connector);

    const auto end = info.clock().now() + options.timeout;
    clock::duration pause = std::chrono::milliseconds(1);
    for (;;) {
        if (::connect(socket.get(), address.data(), address.length) == 0) break;
        const error_code ec = last_error();
        if (ec == asio::error::interrupted) continue;
        if (ec != asio::error::try_again) throw about(failure::from(ec, "cannot connect"), to);
        const auto left = end - info.clock().now();
        if (left <= clock::duration::zero())
            throw about(failure(failure_kind::timeout, asio::error::timed_out,
                                "cannot connect: the listener's queue was full for " +
                                    std::to_string(options.timeout.count()) + " ms"),
                        to);
        co_await sleep_for(std::min(pause, left));
        pause = std::min<clock::duration>(pause * 2, std::chrono::milliseconds(50));
    }
    io::stream s =
        net::detail::make_unix_stream(serialized(executor), socket.release(), nullptr, nullptr);
    s.extensions().insert(unix_peer_endpoint{std::move(to)});
    co_return std::move(s);
}

unix_endpoint parse(std::string_view path) {
    if (!path.starts_with("unix:"))
        return parse_any_endpoint("unix:" + std::string(path)).unix_name();
    return parse_any_endpoint(path).unix_name();
}

// Passing descriptors: control messages beside the stream's own reads and writes
// -------------------------------------------------------------------------------------------------

int socket_of(const io::stream& s) {
    const int fd = s.native_socket();
    int domain = 0;
    socklen_t length = sizeof domain;
    if (fd < 0 || ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
        domain != AF_UNIX)
        throw failure(failure_kind::invalid_input,
                      "descriptors can be passed over a native Unix stream only");
    return fd;
}

constexpr std::size_t control_size = CMSG_SPACE(sizeof(int) * max_descriptors);

/// Control messages with their alignment.
struct control {
    alignas(cmsghdr) std::array<char, control_size> bytes;
};

/// A wait on a duplicate, which leaves alone what the stream knows of its own descriptor.
awaitable<void> wait_for(asio::any_io_executor executor, int fd,
                         net::detail::descriptor::direction d, const char* what,
                         std::source_location where) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw failure::from(last_error(), "cannot duplicate a descriptor");
    net::detail::readiness ready(std::move(executor), file_descriptor(copy));
    // A fresh descriptor counts as writable until it was seen not to be.
    ready.exhausted(d);
    co_await ready.wait(d, what, where);
}

}  // namespace

connector::connector(std::string_view path, connect_options options)
    : to_(parse(path)), options_(std::move(options)) {}

awaitable<io::stream> connector::serve(connect_request to) const {
    static_cast<void>(to);
    return connect_to(to_, options_);
}

io::stream adopt(asio::any_io_executor executor, file_descriptor socket) {
    if (!net::detail::peer_name(socket.get()).is_unix())
        throw failure(failure_kind::invalid_input, "descriptor " + std::to_string(socket.get()) +
                                                       " is no connected Unix socket");
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    return net::detail::make_unix_stream(std::move(executor), socket.release(), nullptr, nullptr);
}

awaitable<void> send_descriptors(io::stream& stream, asio::const_buffer data,
                                 std::span<const int> descriptors, std::source_location where) {
    const int fd = socket_of(stream);
    if (data.size() == 0 || descriptors.size() > max_descriptors)
        throw failure(failure_kind::invalid_input, data.size() == 0
                                                       ? "descriptors need a byte to go with"
                                                       : "more than 253 descriptors at once");
    control c;
    iovec part{const_cast<void*>(data.data()), data.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
        const std::size_t size = descriptors.size_bytes();
        c.bytes.fill(0);
        message.msg_control = c.bytes.data();
        message.msg_controllen = CMSG_SPACE(size);
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(rights), descriptors.data(), size);
    }
    ssize_t sent = -1;
    while (sent < 0) {
        if (stream.native_socket() != fd)
            throw failure::from(asio::error::operation_aborted, "the stream was closed");
        sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0 || errno == EINTR) continue;
        const error_code ec = last_error();
        if (ec != asio::error::would_block && ec != asio::error::try_again)
            throw failure::from(ec, "cannot send descriptors");
        co_await wait_for(stream.get_executor(), fd, net::detail::descriptor::output,
                          "send descriptors", where);
    }
    if (const auto n = static_cast<std::size_t>(sent); n < data.size())
        co_await stream.write(data + n, where);
}

awaitable<received_descriptors> receive_descriptors(io::stream& stream, asio::mutable_buffer buffer,
                                                    std::size_t most, std::source_location where) {
    const int fd = socket_of(stream);
    received_descriptors got;
    if (buffer.size() == 0) co_return got;
    control c;
    for (;;) {
        if (stream.native_socket() != fd)
            throw failure::from(asio::error::operation_aborted, "the stream was closed");
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = c.bytes.data();
        message.msg_controllen = c.bytes.size();
        const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) {
            if (errno == EINTR) continue;
            const error_code ec = last_error();
            if (ec != asio::error::would_block && ec != asio::error::try_again)
                throw failure::from(ec, "cannot receive descriptors");
            co_await wait_for(stream.get_executor(), fd, net::detail::descriptor::input,
                              "receive descriptors", where);
            continue;
        }
        got.bytes = static_cast<std::size_t>(n);
        got.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
        for (cmsghdr* m = CMSG_FIRSTHDR(&message); m; m = CMSG_NXTHDR(&message, m)) {
            if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int one = -1;
                std::memcpy(&one, CMSG_DATA(m) + i * sizeof one, sizeof one);
                file_descriptor owned(one);
                if (got.descriptors.size() < most)
                    got.descriptors.push_back(std::move(owned));
                else
                    got.truncated = true;
            }
        }
        co_return std::move(got);
    }
}

}  // namespace weft::net::unix_domain

fmt::format_context::iterator fmt::formatter<weft::net::peer_credentials>::format(
    const weft::net::peer_credentials& c, fmt::format_context& out) const {
    return fmt::format_to(out.out(), "user {} group {} process {}", c.user, c.group, c.process);
}
