// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/extensions.hpp>
#include <weft/io/operation.hpp>
#include <weft/runtime/context.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <utility>

namespace weft::io {

/// What a transport implements to become a stream.
///
///     class my_transport final : public io::stream_impl {
///         void start_read(io::mutable_buffers b, io::operation& op) override;   // later: post it
///         ...
///     };
///     io::stream s = io::stream::make<my_transport>(executor);
///
/// The stream keeps the common laws before it calls: buffers are never empty in total and at most
/// max_buffers, no two reads (or writes) overlap, and `try_*` is not called while an operation of
/// its kind is pending. The transport keeps the rest:
///
/// - An operation ends by `post(op, ...)` from anywhere, or by `op.deliver(...)` from a handler on
///   the executor, but never inside the call that started it.
/// - `cancel_read` and `cancel_write` end a pending operation with operation_aborted, by post; they
///   do nothing when none is pending. A write that is cancelled while it waits closes the write
///   side.
/// - `dispose` is the end: post operation_aborted to what is pending, close, free the object (at
///   once or later).
/// - While an operation is pending the executor's context must have work, so that its run() does
///   not return.
/// - Testing: `testing::stream_suite` (weft/testing/stream_suite.hpp) holds every law against a
///   pair of yours.
///
/// All functions are called on the executor.
class stream_impl {
  public:
    stream_impl(const stream_impl&) = delete;
    stream_impl& operator=(const stream_impl&) = delete;

    [[nodiscard]] const boost::asio::any_io_executor& get_executor() const noexcept {
        return executor_;
    }

    virtual void start_read(mutable_buffers buffers, operation& op) = 0;
    virtual void start_write(const_buffers buffers, operation& op) = 0;
    virtual void start_shutdown_send(operation& op) = 0;
    virtual void cancel_read() noexcept = 0;
    virtual void cancel_write() noexcept = 0;

    /// Without waiting; the defaults answer would_block, which is always allowed.
    virtual std::size_t try_read(mutable_buffers buffers, error_code& ec) noexcept;
    virtual std::size_t try_write(const_buffers buffers, error_code& ec) noexcept;
    virtual bool try_shutdown_send(error_code& ec) noexcept;

    /// A hint: the end of output follows what is written next, at once. A transport may hold a
    /// small write back for it, so that both leave together. The default does nothing.
    virtual void end_follows() noexcept {}

    /// False when a try to read is known to find nothing:
    /// a coroutine that reads then waits without trying.
    [[nodiscard]] virtual bool may_read_now() const noexcept { return true; }

    virtual void abort() noexcept = 0;
    /// The stream was destroyed. The default deletes the
    /// object; its destructor must end what is pending.
    virtual void dispose() noexcept { delete this; }

    /// The connection's store. A stream around another one gives the inner's.
    [[nodiscard]] virtual const weft::extensions& extensions() const noexcept = 0;
    [[nodiscard]] virtual int native_socket() const noexcept { return -1; }
    /// The socket that everything written goes into as it is, so that the system may encrypt it
    /// (kTLS) and TLS may send its control records past the stream; -1 when there is none. Whoever
    /// says one has start_wait_writable too.
    [[nodiscard]] virtual int kernel_tls_socket() const noexcept { return -1; }
    /// Waits until that socket, which has just refused a write, may take one or has failed, in the
    /// place of a write. cancel_write ends it, and closes nothing. The default:
    /// operation_not_supported.
    virtual void start_wait_writable(operation& op);

    /// What weft knows of the executor's context.
    [[nodiscard]] context_info& context() const noexcept { return *info_; }

    // Used by stream: the common laws, then the virtual function.
    void begin_read(operation& op, mutable_buffers buffers);
    void begin_write(operation& op, const_buffers buffers);
    void begin_shutdown(operation& op);
    void begin_wait_writable(operation& op);
    template <class Operation>
    void begin_read(Operation& op) {
        begin_read(op, op.buffers());
    }
    template <class Operation>
    void begin_write(Operation& op) {
        begin_write(op, op.buffers());
    }

    // Used by detail::held_operations.
    void fail_held(operation& op, error_code code) const { post(op, code, 0); }
    [[nodiscard]] bool is_reading(const operation& op) const noexcept { return &op == reading_; }

  protected:
    explicit stream_impl(boost::asio::any_io_executor executor);
    /// Of a stream around `below`, on its executor.
    explicit stream_impl(const stream& below);
    virtual ~stream_impl();

    /// Completes `op` from the executor's queue. May be called from any thread.
    void post(operation& op, error_code code, std::size_t bytes) const;

    /// Lets go of the executor, for a transport whose memory outlives its stream.
    void release_executor() noexcept {
        io_ = nullptr;
        executor_ = boost::asio::any_io_executor();
    }

    /// The executor as io_context's own, or null when it is of another type: the quick way to post.
    [[nodiscard]] const boost::asio::io_context::executor_type* io_context_executor()
        const noexcept {
        return io_;
    }

    /// From a handler on the context of a serial executor: whether that is on the executor itself,
    /// so that an operation may be delivered on the spot.
    [[nodiscard]] bool runs_here() const noexcept { return direct_; }

  private:
    friend class stream;
    friend class operation;

    bool take_in(operation& op, operation*& place);
    void unlink_all() noexcept;

    boost::asio::any_io_executor executor_;
    context_info* info_;
    const boost::asio::io_context::executor_type* io_;
    bool direct_;
    operation* reading_ = nullptr;
    operation* writing_ = nullptr;
};

}  // namespace weft::io
