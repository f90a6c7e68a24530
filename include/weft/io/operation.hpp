// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <span>

namespace weft::io {

using error_code = boost::system::error_code;
using mutable_buffers = std::span<const boost::asio::mutable_buffer>;
using const_buffers = std::span<const boost::asio::const_buffer>;

/// The most buffers that one read or write uses; further ones wait for the next call.
inline constexpr std::size_t max_buffers = 16;

class stream;
class stream_impl;

/// One read, write or shutdown that a compiled driver starts on a stream:
/// an object that the driver owns, so that starting it allocates nothing.
/// Completion tokens and coroutines are built on it (stream.hpp).
///
///     class echo {
///         void on_read(io::error_code ec, std::size_t n);
///         io::member_operation<echo, &echo::on_read> read_{*this};
///         void start() { stream_.start_read(buffers_, read_); }
///         ...
///     };
///
/// It completes exactly once per start: on the stream's executor, never inside the call that
/// started it, also when the stream is cancelled, aborted or destroyed (operation_aborted). The one
/// exception: when the execution context is destroyed first, it is *abandoned*, and must only free
/// what it owns. It may be started again from its completion. It must not move or die while
/// pending. Not thread-safe: it belongs to the stream's executor.
class operation {
  public:
    struct outcome {
        error_code code;
        std::size_t bytes = 0;
    };

    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    /// Started, and not completed yet.
    [[nodiscard]] bool pending() const noexcept { return pending_; }

    /// Asks for an early end: it completes with operation_aborted by post, unless its result is on
    /// the way already. A cancelled read loses no byte. A cancelled write transfers none, and
    /// closes the write side. No-op when idle.
    void cancel() noexcept;

    // --- For those who implement streams

    /// Completes it here and now. Only from a handler that runs on the stream's executor, and never
    /// from inside the call that started it.
    void deliver(error_code code, std::size_t bytes) {
        result_ = {code, bytes};
        deliver();
    }

    /// Ends it without a completion: its execution context goes away.
    void abandon() noexcept;

  protected:
    /// What runs at the end; `result` is null when the
    /// operation was abandoned (then it must not throw).
    using function = void (*)(operation&, const outcome* result);

    explicit operation(function f) noexcept : function_(f) {}
    ~operation() = default;

  private:
    friend class stream;
    friend class stream_impl;

    void deliver();
    void unlink() noexcept;

    function function_;
    stream_impl* stream_ = nullptr;  // set while pending, unless the stream is gone
    outcome result_;
    bool pending_ = false;
    bool linked_ = false;  // stream_ was set at the start
    bool is_read_ = false;
};

/// The operation that completes in a member function: `(owner.*Function)(error_code, std::size_t
/// bytes)`. When the owner has a public `operation_abandoned() noexcept`, that is called if the
/// execution context goes away first.
template <class Owner, void (Owner::*Function)(error_code, std::size_t)>
class member_operation final : public operation {
  public:
    explicit member_operation(Owner& owner) noexcept : operation(&run), owner_(owner) {}

  private:
    static void run(operation& base, const outcome* result) {
        Owner& owner = static_cast<member_operation&>(base).owner_;
        if (result) {
            (owner.*Function)(result->code, result->bytes);
        } else if constexpr (requires { owner.operation_abandoned(); }) {
            owner.operation_abandoned();
        }
    }

    Owner& owner_;
};

}  // namespace weft::io
