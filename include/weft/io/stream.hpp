// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/bytes.hpp>
#include <weft/core/extensions.hpp>
#include <weft/io/detail/handler_operation.hpp>
#include <weft/io/operation.hpp>
#include <weft/io/stream_impl.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <source_location>
#include <utility>

namespace weft::io {

/// A connection: bytes in order, both ways. One move-only type for TCP, TLS, in-memory, tunnelled
/// and wrapped streams.
///
///     awaitable<void> echo(io::stream s) {
///         std::array<char, 4096> buffer;
///         while (std::size_t n = co_await s.read(asio::buffer(buffer)))
///             co_await s.write(asio::buffer(buffer.data(), n));
///     }
///
/// **Three doors.** Coroutines use `read`, `write` and `shutdown_send`. Asio, Beast and asio::ssl
/// code uses it as an AsyncReadStream and AsyncWriteStream with any completion token. Compiled
/// drivers use `try_read` / `try_write` first, and `start_read` / `start_write` with an operation
/// of their own when those would block.
///
/// **Laws.** Operations complete on the associated executor of their handler (else on
/// get_executor()), never inside the call that started them. One read and one write may be pending
/// together; a second of the same kind is refused with already_started (shutdown_send counts as a
/// write). A read of zero bytes, or a write of none, completes without touching the transport.
/// Moving a stream with operations pending is legal; destroying or closing it completes them with
/// operation_aborted. A cancelled read loses no byte; a cancelled write that was pending wrote
/// nothing and closes the write side, since nobody can tell what a half-sent message means.
/// testing::stream_suite holds these as tests.
///
/// **Errors.** End of file is asio::error::eof, again and again. A peer that aborted, or closed
/// with unread input, gives connection_reset. Writing to a closed peer, or after shutdown_send,
/// gives broken_pipe. After abort(): connection_aborted.
///
/// **Threads.** A stream belongs to its executor: call it, and destroy it, there.
class stream {
  public:
    using executor_type = boost::asio::any_io_executor;
    using lowest_layer_type = stream;

    /// No connection. Only assignment, destruction and the bool test are allowed.
    stream() noexcept = default;

    /// Builds a transport in place: `stream::make<my_transport>(executor, ...)`.
    template <class Impl, class... Args>
    [[nodiscard]] static stream make(Args&&... args) {
        return stream(new Impl(std::forward<Args>(args)...));
    }

    /// Takes over a transport: calls its dispose() at the end.
    explicit stream(stream_impl* transport) noexcept : impl_(transport) {}

    stream(stream&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
    stream& operator=(stream&& other) noexcept {
        if (this != &other) {
            close();
            impl_ = std::exchange(other.impl_, nullptr);
        }
        return *this;
    }
    ~stream() { close(); }

    [[nodiscard]] explicit operator bool() const noexcept { return impl_ != nullptr; }

    // --- What it is

    [[nodiscard]] executor_type get_executor() const noexcept { return impl_->get_executor(); }
    [[nodiscard]] stream& lowest_layer() noexcept { return *this; }
    [[nodiscard]] const stream& lowest_layer() const noexcept { return *this; }

    /// The facts of the connection: peer and local endpoint, TLS session, ... (net/endpoints.hpp
    /// and others name them).
    [[nodiscard]] const weft::extensions& extensions() const noexcept {
        return impl_->extensions();
    }

    /// The socket's descriptor where nothing transforms or buffers the bytes (for sendfile, splice,
    /// kTLS), else -1. The stream keeps it; do not close it or change its blocking mode.
    [[nodiscard]] int native_socket() const noexcept { return impl_->native_socket(); }

    // --- For coroutines

    /// Reads what is there into `buffer`: at least one byte, or 0 at the end of the file (or for an
    /// empty buffer). Does not suspend when bytes are waiting. The caller keeps the memory. Throws
    /// failure. Cancelling loses no byte.
    awaitable<std::size_t> read(boost::asio::mutable_buffer buffer,
                                std::source_location where = std::source_location::current());

    /// Writes all of it. Does not suspend while the transport takes the bytes. Throws failure.
    /// Cancelled while it waits, it may have written a part, and the write side is closed. The
    /// bytes are kept alive by the call.
    awaitable<void> write(bytes data, std::source_location where = std::source_location::current());
    /// The same; the caller keeps the memory.
    awaitable<void> write(boost::asio::const_buffer data,
                          std::source_location where = std::source_location::current());
    /// The same with several buffers; the caller keeps the buffers and the array of them.
    awaitable<void> write(const_buffers data,
                          std::source_location where = std::source_location::current());

    /// Sends end of file; reading goes on (half close). Throws failure.
    awaitable<void> shutdown_send(std::source_location where = std::source_location::current());

    // --- For drivers: try first, then suspend

    /// Reads without waiting. Returns the bytes read;
    /// 0 with `ec` would_block, eof or another error.
    std::size_t try_read(mutable_buffers buffers, error_code& ec) noexcept {
        return try_read(*impl_, buffers, ec);
    }
    std::size_t try_read(boost::asio::mutable_buffer buffer, error_code& ec) noexcept {
        return try_read(mutable_buffers(&buffer, 1), ec);
    }

    /// Writes without waiting. Returns the bytes taken, perhaps not all; 0 with `ec` would_block,
    /// broken_pipe, ...
    std::size_t try_write(const_buffers buffers, error_code& ec) noexcept {
        return try_write(*impl_, buffers, ec);
    }
    std::size_t try_write(boost::asio::const_buffer buffer, error_code& ec) noexcept {
        return try_write(const_buffers(&buffer, 1), ec);
    }

    /// Sends end of file without waiting; false with
    /// `ec` would_block when only the waiting form can.
    bool try_shutdown_send(error_code& ec) noexcept { return try_shutdown_send(*impl_, ec); }

    /// A hint before the last write: shutdown_send, or the end of the stream, follows it in the
    /// same turn. TLS puts its close_notify into the same write, and TCP its FIN into the same
    /// segment. Who says so and then neither writes on nor ends the stream may keep the peer
    /// waiting.
    void end_follows() noexcept { impl_->end_follows(); }

    /// Starts a read into at most max_buffers buffers. The caller keeps the memory and the array
    /// until `op` completes.
    void start_read(mutable_buffers buffers, operation& op);
    /// Starts a write of some of the buffers, at least one byte.
    void start_write(const_buffers buffers, operation& op);
    /// Starts sending end of file.
    void start_shutdown_send(operation& op);

    // --- The end

    /// Cancels the pending read and the pending write, if any, as cancelling who waits for them
    /// would: operation_aborted, no byte of a read is lost, a cancelled write closes the write
    /// side.
    void cancel() noexcept;

    /// Ends the connection at once: the peer sees connection_reset,
    /// pending operations complete with operation_aborted, later ones with
    /// connection_aborted. What the peer has not read yet may be lost.
    void abort() noexcept;

    /// What the destructor does: pending operations complete with operation_aborted; bytes already
    /// written still reach the peer, followed by end of file, unless input is unread (then
    /// connection_reset, as TCP does).
    void close() noexcept {
        if (impl_) close_impl();
    }

    // --- For any completion token

    /// AsyncReadStream. Signature void(error_code, std::size_t). All three types of cancellation;
    /// no byte is lost.
    template <class Buffers, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                                 Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_read_some(const Buffers& buffers,
                         Token&& token = boost::asio::default_completion_token_t<executor_type>()) {
        using operation_buffers = detail::buffer_array<boost::asio::mutable_buffer, Buffers>;
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            initiate_read{impl_}, token, operation_buffers(buffers));
    }

    /// AsyncWriteStream. Signature void(error_code,
    /// std::size_t). Terminal and partial cancellation.
    template <class Buffers, BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code, std::size_t))
                                 Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_write_some(
        const Buffers& buffers,
        Token&& token = boost::asio::default_completion_token_t<executor_type>()) {
        using operation_buffers = detail::buffer_array<boost::asio::const_buffer, Buffers>;
        return boost::asio::async_initiate<Token, void(error_code, std::size_t)>(
            initiate_write{impl_}, token, operation_buffers(buffers));
    }

    /// Half close with any token. Signature void(error_code).
    template <BOOST_ASIO_COMPLETION_TOKEN_FOR(void(error_code))
                  Token = boost::asio::default_completion_token_t<executor_type>>
    auto async_shutdown_send(
        Token&& token = boost::asio::default_completion_token_t<executor_type>()) {
        return boost::asio::async_initiate<Token, void(error_code)>(initiate_shutdown{impl_},
                                                                    token);
    }

    /// The transport, for streams that wrap this one.
    [[nodiscard]] stream_impl& impl() const noexcept { return *impl_; }

  private:
    void close_impl() noexcept;
    static void end_held(stream_impl&) noexcept;

    // The initiations hold the transport, not the stream:
    // a deferred operation survives a move of the stream.
    struct initiate_read {
        using executor_type = boost::asio::any_io_executor;
        stream_impl* impl;
        [[nodiscard]] executor_type get_executor() const noexcept { return impl->get_executor(); }
        template <class Handler, class Array>
        void operator()(Handler&& handler, const Array& buffers) const {
            impl->begin_read(detail::make_operation<true>(impl->get_executor(), buffers,
                                                          std::forward<Handler>(handler)));
        }
    };
    struct initiate_write {
        using executor_type = boost::asio::any_io_executor;
        stream_impl* impl;
        [[nodiscard]] executor_type get_executor() const noexcept { return impl->get_executor(); }
        template <class Handler, class Array>
        void operator()(Handler&& handler, const Array& buffers) const {
            impl->begin_write(detail::make_operation<true>(impl->get_executor(), buffers,
                                                           std::forward<Handler>(handler)));
        }
    };
    struct initiate_shutdown {
        using executor_type = boost::asio::any_io_executor;
        stream_impl* impl;
        [[nodiscard]] executor_type get_executor() const noexcept { return impl->get_executor(); }
        template <class Handler>
        void operator()(Handler&& handler) const {
            impl->begin_shutdown(detail::make_operation<false>(
                impl->get_executor(), detail::no_buffers(), std::forward<Handler>(handler)));
        }
    };

    static std::size_t try_read(stream_impl&, mutable_buffers, error_code&) noexcept;
    static std::size_t try_write(stream_impl&, const_buffers, error_code&) noexcept;
    static bool try_shutdown_send(stream_impl&, error_code&) noexcept;
    static awaitable<std::size_t> read_from(stream_impl*, boost::asio::mutable_buffer,
                                            std::source_location);
    static awaitable<void> write_one(stream_impl*, boost::asio::const_buffer, bytes keep,
                                     std::source_location);
    static awaitable<void> write_all(stream_impl*, const_buffers, std::source_location);
    static awaitable<void> shutdown_to(stream_impl*, std::source_location);

    stream_impl* impl_ = nullptr;
};

}  // namespace weft::io
