// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "input_buffer.hpp"
#include "output_queue.hpp"
#include "waker.hpp"
#include <weft/io/stream.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/buffer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace weft::http::detail {

/// Moves the bytes of one connection, for either role; knows nothing of HTTP. One read may
/// be pending at any time, also while a handler runs, and output goes out by itself; whoever drives
/// the connection waits in `changed` until something happened:
///
///     pump.want_input();
///     while (pump.in.empty() && !pump.input_end()) co_await pump.changed.wait();
///
/// Pending operations keep the object alive. All on the stream's executor.
class byte_pump : public std::enable_shared_from_this<byte_pump> {
  public:
    explicit byte_pump(io::stream connection);
    byte_pump(const byte_pump&) = delete;
    byte_pump& operator=(const byte_pump&) = delete;
    virtual ~byte_pump() = default;

    [[nodiscard]] boost::asio::any_io_executor get_executor() const { return executor_; }
    [[nodiscard]] context_info& context() const noexcept { return context_; }
    [[nodiscard]] io::stream& stream() noexcept { return stream_; }

    // Input

    input_buffer in;
    /// Starts a read, unless one is pending or input has ended. Never fails; see input_end().
    void want_input() { want_input(in.usual_room()); }
    void want_input(std::size_t room);
    /// The same, but takes at once what is there already; true when something came or input ended.
    bool try_input(std::size_t room);
    [[nodiscard]] bool reading() const noexcept { return read_.pending(); }
    /// Why nothing more comes: eof or an error; empty while input is open.
    [[nodiscard]] const std::optional<io::error_code>& input_end() const noexcept {
        return input_end_;
    }
    /// The bytes read so far, in all.
    [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

    // Output

    output_queue out;
    /// Sends what is in `out`, as far as that goes without waiting; the rest goes on by itself.
    void flush();
    /// Does so from the executor's queue: after everything that can be produced without waiting has
    /// been.
    void flush_later();
    /// How much has not been taken by the stream yet, what is in `out` included.
    [[nodiscard]] std::size_t unsent() const noexcept { return out.size() + sending_.size(); }
    /// The bytes that the stream has taken so far, in all.
    [[nodiscard]] std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
    /// Sends end of file instead of anything further: for a message that cannot be brought to its
    /// end.
    void end_output() noexcept;
    /// Why nothing can be sent any more.
    [[nodiscard]] const std::optional<io::error_code>& output_end() const noexcept {
        return output_end_;
    }

    // Waiting

    /// Where the driver waits for anything to happen; see wakes_driver_.
    waker changed;
    /// Where a pull of the body waits for input: another coroutine than the driver's may do that.
    waker input_changed;
    /// Where an upload beside the driver waits for room.
    waker output_changed;
    /// The limit on what the driver waits for; `limit_reached()` says that it ran out, until it is
    /// set again.
    void arm_limit(std::chrono::milliseconds limit);
    void disarm_limit() noexcept { limit_.disarm(); }
    [[nodiscard]] bool limit_reached() const noexcept { return limit_reached_; }
    /// Wakes whoever waits, from the executor's queue: after everything else that is ready. Who has
    /// worked for long without waiting gives way like that.
    void wake_later();
    /// How long the peer may take nothing of what is being sent; then output_end() is timed_out.
    std::chrono::milliseconds write_timeout{30'000};
    /// The least rate at which it takes something, in bytes a second, over the time that it was
    /// waited for since everything had been sent; once that is more than write_timeout. 0: none.
    std::uint64_t min_send_rate = 0;

    // The end

    /// Ends both directions at once; the peer sees a reset.
    void abort() noexcept;
    /// Destroys the stream; what was sent still arrives. Pending operations end by themselves. Who
    /// still holds the pump, a body, may let go of it on any thread then.
    void close() noexcept;
    /// Takes the stream away once no operation is pending: for an upgrade.
    [[nodiscard]] io::stream release() noexcept;
    /// Ends a pending read without losing a byte of it.
    void cancel_read() noexcept { read_.cancel(); }
    /// Gives back what large messages took.
    void shrink();

    void operation_abandoned() noexcept;

  protected:
    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept {
        return executor_;
    }
    /// False: the driver does its work in the functions below, and is not woken after each.
    bool wakes_driver_ = true;
    /// Input came or ended. Called before the waiting coroutine is woken.
    virtual void on_input() {}
    /// A read was taken back by cancel_read(). Called before the waiting coroutine is woken.
    virtual void on_read_cancelled() {}
    /// The limit ran out. Called before the waiting coroutine is woken.
    virtual void on_limit() {}
    /// Output is about to leave by itself: whoever gathers it only then puts it into `out`.
    virtual void before_flush() {}
    /// What could leave has left.
    virtual void after_flush() {}
    /// The execution context goes away, and what was pending on it with it.
    virtual void on_abandoned() noexcept {}

  private:
    void on_read(io::error_code ec, std::size_t n);
    void on_write(io::error_code ec, std::size_t n);
    void note_read(io::error_code ec, std::size_t n);
    void wake_all();
    void start_write();
    void check_send_rate();

    io::stream stream_;
    boost::asio::any_io_executor executor_;
    context_info& context_;

    io::member_operation<byte_pump, &byte_pump::on_read> read_{*this};
    boost::asio::mutable_buffer read_buffer_;
    std::shared_ptr<byte_pump> read_keeps_;
    std::optional<io::error_code> input_end_;
    std::uint64_t received_ = 0;

    output_queue sending_;
    io::member_operation<byte_pump, &byte_pump::on_write> write_{*this};
    std::vector<boost::asio::const_buffer> write_buffers_;  // of a write that waits
    std::shared_ptr<byte_pump> write_keeps_;
    std::optional<io::error_code> output_end_;
    std::uint64_t sent_bytes_ = 0;
    std::uint64_t sent_before_waiting_ = 0;  // when the peer was first waited for
    std::uint64_t write_began_ms_ = 0;
    std::chrono::milliseconds send_waited_{};  // since everything had been sent
    bool flush_is_posted_ = false;
    bool wake_is_posted_ = false;

    struct limit_entry final : deadlines::entry {
        limit_entry(byte_pump& owner, callback on_fire)
            : entry(owner.context_.deadlines(), owner.executor_, on_fire), pump(owner) {}
        byte_pump& pump;
    };
    limit_entry limit_;
    limit_entry write_limit_;
    bool limit_reached_ = false;
};

}  // namespace weft::http::detail
