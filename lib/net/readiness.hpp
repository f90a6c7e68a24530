// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "descriptor.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/file_descriptor.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <source_location>

namespace weft::net::detail {

class readiness_waits;

/// Waits until a descriptor can be read or written, without moving a byte: what sockets are made of
/// that are no streams. It owns the descriptor.
///
/// Inside it is a stream whose reads and writes end as soon as the descriptor is ready: so each
/// wait has what a stream's operation has (one in each direction, any token, cancellation that
/// loses nothing, destruction and the end of the context). One executor, as a stream.
class readiness {
  public:
    readiness() noexcept = default;
    readiness(boost::asio::any_io_executor executor, file_descriptor fd);
    readiness(readiness&&) noexcept = default;
    readiness& operator=(readiness&&) noexcept = default;

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(waits_); }
    [[nodiscard]] boost::asio::any_io_executor executor() const { return waits_.get_executor(); }
    /// -1 once it is closed.
    [[nodiscard]] int fd() const noexcept;
    /// False: a system call is known to say EAGAIN.
    [[nodiscard]] bool ready(descriptor::direction d) const noexcept;
    /// A system call said EAGAIN: the next wait waits.
    void exhausted(descriptor::direction d) noexcept;

    /// Completes when it is worth trying; throws failure: cancelled, already_started (a second wait
    /// in the same direction).
    awaitable<void> wait(descriptor::direction d, const char* what, std::source_location where);
    /// Ends waits with operation_aborted and closes.
    void close() noexcept;

  private:
    io::stream waits_;
    readiness_waits* impl_ = nullptr;  // in waits_
};

}  // namespace weft::net::detail
