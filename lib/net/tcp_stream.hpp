// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"
#include <weft/io/stream_impl.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <cstdint>
#include <memory>

#include <sys/socket.h>

namespace weft::net::detail {

/// What a connection gives back when it ends: its place under its listener's limit.
class connection_permit {
  public:
    virtual ~connection_permit() = default;
    virtual void release() noexcept = 0;
};

/// io::stream over a connected stream socket.
class socket_stream final : public io::stream_impl, private descriptor {
  public:
    socket_stream(boost::asio::any_io_executor executor, int socket);

    const weft::extensions& extensions() const noexcept override { return extensions_; }
    /// Of a served TCP connection that has its listener's served_notsent_lowat::at_first: sends the
    /// first 64 KiB in pieces of 16, so that the system can say when it has enough; the bound is
    /// raised when the peer has made room for the first time.
    void begin_small() noexcept {
        first_left_ = 64 * 1024;
        begins_small_ = true;
    }
    void hold(std::shared_ptr<connection_permit> permit) noexcept { permit_ = std::move(permit); }

  private:
    ~socket_stream() override;

    void start_read(io::mutable_buffers buffers, io::operation& op) override;
    void start_write(io::const_buffers buffers, io::operation& op) override;
    void start_shutdown_send(io::operation& op) override;
    void start_wait_writable(io::operation& op) override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    std::size_t try_read(io::mutable_buffers buffers, io::error_code& ec) noexcept override;
    std::size_t try_write(io::const_buffers buffers, io::error_code& ec) noexcept override;
    bool try_shutdown_send(io::error_code& ec) noexcept override;
    void end_follows() noexcept override { send_flags_ |= MSG_MORE; }
    bool may_read_now() const noexcept override { return ready(input); }
    void abort() noexcept override;
    void dispose() noexcept override;
    int native_socket() const noexcept override { return fd(); }
    int kernel_tls_socket() const noexcept override { return fd(); }

    void on_ready(bool input, bool output) override;
    void on_shutdown() noexcept override;

    void end_pending() noexcept;
    void finish_sending() noexcept;
    void raise_bound() noexcept;

    io::operation* reader_ = nullptr;
    io::mutable_buffers into_;
    io::operation* writer_ = nullptr;
    io::const_buffers from_;  // empty: it only waits
    int send_flags_ = MSG_DONTWAIT | MSG_NOSIGNAL;
    std::uint32_t first_left_ = 0;  // bytes that are sent in small pieces
    bool begins_small_ = false;     // has the first bound yet
    bool reset_ = false;            // the peer reset: the kernel says so once, we say so always
    bool finished_ = false;         // we sent end of file
    live_token counted_;
    std::shared_ptr<connection_permit> permit_;
    weft::extensions extensions_{context().deadlines().ticks()};
};

}  // namespace weft::net::detail
