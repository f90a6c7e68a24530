// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "byte_pump.hpp"

#include <boost/asio/error.hpp>

#include <array>
#include <utility>

namespace weft::http::detail {

namespace asio_error = boost::asio::error;

byte_pump::byte_pump(io::stream connection)
    : changed(executor_),
      input_changed(executor_),
      output_changed(executor_),
      stream_(std::move(connection)),
      executor_(stream_.get_executor()),
      context_(stream_.impl().context()),
      limit_(*this,
             [](deadlines::entry& e) noexcept {
                 byte_pump& pump = static_cast<limit_entry&>(e).pump;
                 pump.limit_reached_ = true;
                 auto keep = pump.shared_from_this();
                 pump.on_limit();
                 pump.wake_all();
             }),
      write_limit_(*this, [](deadlines::entry& e) noexcept {
          byte_pump& pump = static_cast<limit_entry&>(e).pump;
          auto keep = pump.shared_from_this();
          pump.output_end_ = asio_error::timed_out;
          pump.write_.cancel();
          pump.wake_all();
      }) {}

// Input -------------------------------------------------------------------------------------------

void byte_pump::want_input(std::size_t room) {
    if (read_.pending() || input_end_ || !stream_) return;
    read_buffer_ = in.prepare(room);
    read_keeps_ = shared_from_this();
    stream_.start_read({&read_buffer_, 1}, read_);
}

bool byte_pump::try_input(std::size_t room) {
    if (input_end_) return true;
    if (read_.pending() || !stream_) return false;
    io::error_code ec;
    const std::size_t n = stream_.try_read(in.prepare(room), ec);
    if (ec == asio_error::would_block) return false;
    note_read(ec, n);
    return true;
}

void byte_pump::note_read(io::error_code ec, std::size_t n) {
    if (ec) {
        input_end_ = ec;
    } else {
        in.commit(n);
        received_ += n;
    }
}

void byte_pump::on_read(io::error_code ec, std::size_t n) {
    auto keep = std::move(read_keeps_);
    context_.deadlines().refresh();  // the coarse time may be as old as the wait was: Date needs it
    if (ec == asio_error::operation_aborted) {
        // A read that was taken back, not the end of input: release() follows, or the stream is
        // gone.
        if (stream_)
            on_read_cancelled();
        else
            input_end_ = ec;
    } else {
        note_read(ec, n);
        on_input();
    }
    wake_all();
}

void byte_pump::wake_all() {
    input_changed.wake();
    output_changed.wake();
    if (wakes_driver_) changed.wake();
}

// Output ------------------------------------------------------------------------------------------

void byte_pump::flush() {
    while (!write_.pending() && !output_end_ && stream_) {
        output_queue& next = sending_.empty() ? out : sending_;
        if (next.empty()) return;
        std::array<boost::asio::const_buffer, io::max_buffers> buffers;
        const std::size_t used = next.gather(buffers);
        io::error_code ec;
        const std::size_t n = stream_.try_write(io::const_buffers(buffers.data(), used), ec);
        if (!ec) {
            next.consume(n);
            sent_bytes_ += n;
        } else if (ec == asio_error::would_block) {
            start_write();
        } else {
            output_end_ = ec;
        }
    }
}

void byte_pump::start_write() {
    // What is being written may not move while `out` grows.
    if (sending_.empty()) sending_.swap(out);
    std::array<boost::asio::const_buffer, io::max_buffers> buffers;
    const std::size_t used = sending_.gather(buffers);
    write_buffers_.assign(buffers.begin(), buffers.begin() + used);
    write_limit_.arm_after(write_timeout);
    write_began_ms_ = context_.deadlines().coarse_milliseconds();  // just refreshed
    if (send_waited_ == std::chrono::milliseconds::zero()) sent_before_waiting_ = sent_bytes_;
    write_keeps_ = shared_from_this();
    stream_.start_write(write_buffers_, write_);
}

void byte_pump::on_write(io::error_code ec, std::size_t n) {
    auto keep = std::move(write_keeps_);
    write_limit_.disarm();
    if (ec) {
        if (!output_end_) output_end_ = ec;
        after_flush();
    } else {
        sending_.consume(n);
        sent_bytes_ += n;
        check_send_rate();
        before_flush();
        flush();
        after_flush();
    }
    wake_all();
}

/// A byte now and then is no progress: who reads like that holds what was made for it for ever.
void byte_pump::check_send_rate() {
    if (min_send_rate == 0) return;
    context_.deadlines().refresh();
    send_waited_ +=
        std::chrono::milliseconds(context_.deadlines().coarse_milliseconds() - write_began_ms_);
    if (unsent() == 0) {
        send_waited_ = {};
        return;
    }
    if (send_waited_ <= write_timeout) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(send_waited_).count();
    if (sent_bytes_ - sent_before_waiting_ < min_send_rate * static_cast<std::uint64_t>(seconds))
        output_end_ = asio_error::timed_out;
}

void byte_pump::end_output() noexcept {
    if (output_end_ || !stream_) return;
    output_end_ = asio_error::broken_pipe;
    io::error_code ec;
    if (write_.pending())
        write_.cancel();  // closes the write side
    else
        stream_.try_shutdown_send(ec);
}

void byte_pump::flush_later() {
    if (flush_is_posted_) return;
    flush_is_posted_ = true;
    boost::asio::post(executor_, [self = shared_from_this()] {
        self->flush_is_posted_ = false;
        self->before_flush();
        if (self->out.empty()) return self->after_flush();
        self->flush();
        self->after_flush();
        if (self->output_end_) self->wake_all();
    });
}

void byte_pump::wake_later() {
    if (std::exchange(wake_is_posted_, true)) return;
    boost::asio::post(executor_, [self = shared_from_this()] {
        self->wake_is_posted_ = false;
        self->wake_all();
    });
}

// Limits and the end ------------------------------------------------------------------------------

void byte_pump::arm_limit(std::chrono::milliseconds limit) {
    limit_reached_ = false;
    limit_.arm_after(limit);
}

void byte_pump::abort() noexcept {
    if (stream_) stream_.abort();
    if (!input_end_) input_end_ = asio_error::connection_aborted;
    if (!output_end_) output_end_ = asio_error::connection_aborted;
}

void byte_pump::close() noexcept {
    limit_.retire();
    write_limit_.retire();
    stream_ = {};
    if (!input_end_) input_end_ = asio_error::connection_aborted;
    if (!output_end_) output_end_ = asio_error::connection_aborted;
}

io::stream byte_pump::release() noexcept {
    limit_.retire();
    write_limit_.retire();
    if (!input_end_) input_end_ = asio_error::connection_aborted;
    if (!output_end_) output_end_ = asio_error::connection_aborted;
    return std::move(stream_);
}

void byte_pump::shrink() {
    if (!read_.pending()) in.shrink();
    out.shrink();
    sending_.shrink();
    if (!write_.pending()) std::vector<boost::asio::const_buffer>().swap(write_buffers_);
}

void byte_pump::operation_abandoned() noexcept {
    // The execution context is being destroyed. Once nothing of ours is pending there, nobody could
    // wake the coroutine that waits here; it holds this object, so keep that alive until its frame
    // is gone.
    auto keep_read = read_.pending() ? nullptr : std::move(read_keeps_);
    auto keep_write = write_.pending() ? nullptr : std::move(write_keeps_);
    if (!read_.pending() && !write_.pending()) {
        input_changed.abandon();
        output_changed.abandon();
        changed.abandon();
        on_abandoned();
    }
}

}  // namespace weft::http::detail
