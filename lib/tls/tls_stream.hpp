// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_queue.hpp"
#include "engine.hpp"
#include <weft/io/stream.hpp>
#include <weft/runtime/deadlines.hpp>

#include <memory>
#include <optional>

namespace weft::tls::detail {

/// The stream that a handshake gives: moves bytes between a session and the connection below.
///
/// **Reading.** A read decrypts what is in the inbox; then it tries the connection below; then it
/// waits for it (`fill_`). A cancelled read cancels the fill; what the fill got all the same stays
/// in the inbox.
///
/// **Writing.** A write is done when its bytes are encrypted, as it is with a socket when they are
/// in the system's buffer: at most one flight of them is on its way at a time (`sending_`,
/// `flush_`), and the next write waits until that was taken. So a write that waits has written
/// nothing yet, and can be taken back.
///
/// **kTLS.** Where the system encrypts, a write goes into the socket below as it is, and what waits
/// here (`flush_`) is for the socket to take more: a write, or a control record that was blocked.
/// There is no end of file below before the stream is closed.
///
/// **The end.** shutdown_send: close_notify, then the end of file below, both behind the last
/// flight. The stream outlives its owner while its last flight is on the way, for a limited time.
class tls_stream final : public io::stream_impl {
  public:
    /// The handshake is done; what the engine still has to say goes out with the first write, or
    /// before the first wait; a server's tickets wait for its first write.
    tls_stream(io::stream below, std::unique_ptr<engine> e);

    /// Of the operations below.
    void operation_abandoned() noexcept;

  private:
    ~tls_stream() override = default;

    void start_read(io::mutable_buffers into, io::operation& op) override;
    void start_write(io::const_buffers from, io::operation& op) override;
    void start_shutdown_send(io::operation& op) override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    std::size_t try_read(io::mutable_buffers into, io::error_code& ec) noexcept override;
    std::size_t try_write(io::const_buffers from, io::error_code& ec) noexcept override;
    bool try_shutdown_send(io::error_code& ec) noexcept override;
    void end_follows() noexcept override {
        end_follows_ = true;
        engine_->close_follows();
    }
    bool may_read_now() const noexcept override;
    void abort() noexcept override;
    void dispose() noexcept override;
    const weft::extensions& extensions() const noexcept override { return below_.extensions(); }

    /// On the life of a stream that was closed with its last flight on the way.
    struct limit : deadlines::entry {
        explicit limit(tls_stream& s);
        tls_stream& stream;
    };

    // Reading
    std::size_t read_received(io::mutable_buffers into, io::error_code& ec);
    std::size_t read_now(io::mutable_buffers into, io::error_code& ec);
    bool try_fill();
    bool fill();
    void note_fill(std::size_t n, std::size_t room);
    void on_fill(io::error_code ec, std::size_t n);

    // Writing
    std::size_t write_now(io::const_buffers from, io::error_code& ec);
    void flush();
    void flush_control();
    void wait_writable();
    void on_flush(io::error_code ec, std::size_t n);
    void writing_failed(io::error_code ec);
    void begin_closing() noexcept;
    void finish();
    void on_finish(io::error_code ec, std::size_t);
    [[nodiscard]] bool finished(io::error_code& ec) const noexcept;
    void serve_writer();

    // The end
    void end_pending() noexcept;
    [[nodiscard]] bool has_unread() noexcept;
    [[nodiscard]] bool is_sending() const noexcept { return flush_.pending(); }
    void linger_is_over() noexcept;
    void leave() noexcept;
    void maybe_free() noexcept;

    io::stream below_;
    std::unique_ptr<engine> engine_;
    const bool in_kernel_;  // the system encrypts

    io::operation* reader_ = nullptr;
    io::mutable_buffers into_;
    boost::asio::mutable_buffer room_;  // of the inbox, while fill_ is pending
    std::size_t quiet_fill_;
    std::size_t fill_size_;
    io::error_code input_end_;  // nothing more comes from below
    bool fill_cancelled_ = false;
    std::size_t may_wait_;  // bytes of the outbox that nobody waits for: a server's first tickets

    io::operation* writer_ = nullptr;  // a write or a shutdown
    io::const_buffers from_;
    byte_queue sending_;
    boost::asio::const_buffer flight_;  // of sending_, while flush_ is pending
    io::error_code write_error_;        // of the connection below: nothing goes out any more
    io::error_code finish_error_;
    bool writer_shuts_down_ = false;
    bool end_follows_ = false;  // a small write waits for close_notify
    bool closing_ = false;      // close_notify is in the outbox, or behind it
    bool finished_ = false;     // and so did the end of file below, if it is sent

    bool aborted_ = false;
    bool gone_ = false;     // disposed of
    bool overdue_ = false;  // and not waited for any longer
    bool shut_ = false;     // the execution context goes away
    bool telling_ = false;  // somebody is being told: do not free
    std::optional<limit> linger_;

    io::member_operation<tls_stream, &tls_stream::on_fill> fill_{*this};
    io::member_operation<tls_stream, &tls_stream::on_flush> flush_{*this};
    io::member_operation<tls_stream, &tls_stream::on_finish> finish_{*this};
};

}  // namespace weft::tls::detail
