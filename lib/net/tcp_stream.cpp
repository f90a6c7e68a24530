// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "tcp_stream.hpp"

#include "set_options.hpp"
#include "system_calls.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace weft::net::detail {

namespace asio = boost::asio;
using io::error_code;
using io::operation;

namespace {

/// The buffers as the system wants them.
template <class Buffers>
struct vectors {
    explicit vectors(Buffers buffers, std::size_t most = SIZE_MAX) noexcept {
        for (const auto& b : buffers) {
            if (total == most) break;
            const std::size_t size = std::min(b.size(), most - total);
            items[count].iov_base = const_cast<void*>(static_cast<const void*>(b.data()));
            items[count++].iov_len = size;
            total += size;
        }
        message.msg_iov = items.data();
        message.msg_iovlen = count;
    }
    vectors(const vectors&) = delete;
    vectors& operator=(const vectors&) = delete;

    std::array<iovec, io::max_buffers> items;  // NOLINT: filled as far as it is used
    std::size_t count = 0;
    std::size_t total = 0;
    msghdr message{};
};

error_code last_error() noexcept { return {errno, boost::system::system_category()}; }

/// Pieces of what a connection that begins small sends first.
constexpr std::size_t first_piece = 16 * 1024;

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

socket_stream::socket_stream(asio::any_io_executor executor, int socket)
    : stream_impl(std::move(executor)),
      descriptor(get_executor(), context(), socket),
      counted_(context().live().streams) {}

socket_stream::~socket_stream() = default;

std::size_t socket_stream::try_read(io::mutable_buffers buffers, error_code& ec) noexcept {
    if (fd() < 0) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    for (;;) {
        ssize_t n = 0;
        std::size_t wanted = 0;
        if (buffers.size() == 1) {
            wanted = buffers[0].size();
            n = receive(fd(), buffers[0].data(), wanted, MSG_DONTWAIT);
        } else {
            vectors v(buffers);
            wanted = v.total;
            n = ::recvmsg(fd(), &v.message, MSG_DONTWAIT);
        }
        if (n > 0) {
            // Less than asked for: the socket is empty, and the next edge will say when it is not.
            // Unless the end lies ahead, whose edge may be behind us.
            if (static_cast<std::size_t>(n) < wanted && !is_ending()) exhausted(input);
            return static_cast<std::size_t>(n);
        }
        if (n == 0) {
            ec = reset_ ? error_code(asio::error::connection_reset) : error_code(asio::error::eof);
            return 0;
        }
        if (errno == EINTR) continue;
        if (would_block(errno)) {
            exhausted(input);
            ec = asio::error::would_block;
            return 0;
        }
        ec = last_error();
        // Told once by the kernel, which then would say "end of file": a message cut off must never
        // look complete.
        if (ec == asio::error::broken_pipe) ec = asio::error::connection_reset;
        reset_ = true;
        return 0;
    }
}

std::size_t socket_stream::try_write(io::const_buffers buffers, error_code& ec) noexcept {
    if (fd() < 0) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    if (finished_) {
        ec = asio::error::broken_pipe;
        return 0;
    }
    const std::size_t most = first_left_ > 0 ? first_piece : SIZE_MAX;
    for (;;) {
        ssize_t n = 0;
        std::size_t wanted = 0;
        if (buffers.size() == 1) {
            wanted = std::min(buffers[0].size(), most);
            n = detail::send(fd(), buffers[0].data(), wanted, send_flags_);
        } else {
            vectors v(buffers, most);
            wanted = v.total;
            n = ::sendmsg(fd(), &v.message, send_flags_);
        }
        if (n >= 0) {
            if (first_left_ > 0)
                first_left_ -= std::min(first_left_, static_cast<std::uint32_t>(n));
            if (static_cast<std::size_t>(n) < wanted) exhausted(output);
            return static_cast<std::size_t>(n);
        }
        if (errno == EINTR) continue;
        if (would_block(errno)) {
            exhausted(output);
            ec = asio::error::would_block;
            return 0;
        }
        ec = last_error();
        if (ec == asio::error::connection_reset) reset_ = true;  // reading must not see a clean end
        return 0;
    }
}

void socket_stream::start_read(io::mutable_buffers buffers, operation& op) {
    if (fd() < 0 || ready(input)) {
        error_code ec;
        const std::size_t n = try_read(buffers, ec);
        if (ec != asio::error::would_block) return post(op, ec, n);
    }
    reader_ = &op;
    into_ = buffers;
    wait(input);
}

void socket_stream::start_write(io::const_buffers buffers, operation& op) {
    if (fd() < 0 || finished_ || ready(output)) {
        error_code ec;
        const std::size_t n = try_write(buffers, ec);
        if (ec != asio::error::would_block) return post(op, ec, n);
    }
    writer_ = &op;
    from_ = buffers;
    wait(output);
}

void socket_stream::on_ready(bool input_over, bool output_over) {
    error_code read_code;
    error_code write_code;
    std::size_t read_bytes = 0;
    std::size_t write_bytes = 0;
    operation* reader = nullptr;
    operation* writer = nullptr;
    if (output_over && writer_) {
        if (begins_small_) raise_bound();
        if (!from_.empty()) write_bytes = try_write(from_, write_code);
        if (write_code == asio::error::would_block)
            wait(output);
        else
            writer = std::exchange(writer_, nullptr);
    }
    if (input_over && reader_) {
        read_bytes = try_read(into_, read_code);
        if (read_code == asio::error::would_block)
            wait(input);
        else
            reader = std::exchange(reader_, nullptr);
    }
    // We run on the context, but perhaps not on the executor itself (one that wraps io_context's):
    // then by its queue. The first completion may destroy this, so only the last one is delivered
    // on the spot.
    const bool direct = calls_on_executor() || runs_here();
    if (writer) {
        if (!reader && direct) return writer->deliver(write_code, write_bytes);
        post(*writer, write_code, write_bytes);
    }
    if (reader) {
        if (direct) return reader->deliver(read_code, read_bytes);
        post(*reader, read_code, read_bytes);
    }
}

void socket_stream::raise_bound() noexcept {
    begins_small_ = false;
    first_left_ = 0;
    const int bytes = served_notsent_lowat::later;
    // Without it (a system that has no such option) this connection is a little slower.
    (void)::setsockopt(fd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void socket_stream::cancel_read() noexcept {
    if (!reader_) return;
    descriptor::cancel(input);
    post(*std::exchange(reader_, nullptr), asio::error::operation_aborted, 0);
}

void socket_stream::cancel_write() noexcept {
    if (!writer_) return;
    descriptor::cancel(output);
    post(*std::exchange(writer_, nullptr), asio::error::operation_aborted, 0);
    if (!from_.empty()) finish_sending();
}

void socket_stream::start_wait_writable(operation& op) {
    if (fd() < 0) return post(op, asio::error::connection_aborted, 0);
    exhausted(output);
    writer_ = &op;
    from_ = {};
    wait(output);
}

void socket_stream::finish_sending() noexcept {
    if (!std::exchange(finished_, true))
        ::shutdown(fd(), SHUT_WR);  // ENOTCONN: the peer is gone, as good as told
}

bool socket_stream::try_shutdown_send(error_code& ec) noexcept {
    if (fd() < 0) {
        ec = asio::error::connection_aborted;
        return false;
    }
    finish_sending();
    return true;
}

void socket_stream::start_shutdown_send(operation& op) {
    error_code ec;
    try_shutdown_send(ec);
    post(op, ec, 0);
}

void socket_stream::end_pending() noexcept {
    if (reader_) post(*std::exchange(reader_, nullptr), asio::error::operation_aborted, 0);
    if (writer_) post(*std::exchange(writer_, nullptr), asio::error::operation_aborted, 0);
}

void socket_stream::abort() noexcept {
    end_pending();
    close(true);
    // The place under the listener's limit is free with the descriptor.
    if (auto permit = std::move(permit_)) permit->release();
}

void socket_stream::dispose() noexcept {
    end_pending();
    close();  // with unread input the kernel resets
    if (auto permit = std::move(permit_)) permit->release();
    delete this;
}

void socket_stream::on_shutdown() noexcept {
    counted_.reset();
    operation* reader = std::exchange(reader_, nullptr);
    operation* writer = std::exchange(writer_, nullptr);
    // Each may free this.
    if (reader) reader->abandon();
    if (writer) writer->abandon();
}

}  // namespace weft::net::detail
