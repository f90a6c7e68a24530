// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once
// CONTRACT DRAFT
#include <weft/core/extensions.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <memory>
#include <span>

namespace weft::io {

using error_code = boost::system::error_code;
using io_handler = boost::asio::any_completion_handler<void(error_code, std::size_t)>;
using mutable_buffers = std::span<const boost::asio::mutable_buffer>;
using const_buffers = std::span<const boost::asio::const_buffer>;

inline constexpr std::size_t max_buffers = 16;

/// What a transport implements to become a stream.
class stream_impl {
  public:
    virtual ~stream_impl() = default;
    virtual void read_some(mutable_buffers, io_handler) = 0;
    virtual void write_some(const_buffers, io_handler) = 0;
    virtual std::size_t try_read(mutable_buffers, error_code&) noexcept;     // default: would_block
    virtual std::size_t try_write(const_buffers, error_code&) noexcept;      // default: would_block
    virtual void shutdown_send(boost::asio::any_completion_handler<void(error_code)>) = 0;
    virtual void abort() noexcept = 0;
    virtual boost::asio::any_io_executor get_executor() const = 0;
    virtual const weft::extensions& extensions() const noexcept = 0;
    virtual int native_socket() const noexcept { return -1; }
};

class stream;  // unique_ptr<stream_impl> with async_read_some / async_write_some templates

}  // namespace weft::io
