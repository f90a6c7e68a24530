// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/config.hpp>

#include <utility>

namespace weft::net {

/// Owns a file descriptor of the operating system, and closes it.
///
///     net::file_descriptor log(::open("/var/log/app", O_WRONLY | O_APPEND | O_CLOEXEC));
///     ::write(log.get(), text, size);
///
/// What weft hands out and takes over as a bare descriptor: one that came from another process, an
/// inherited socket. Move-only; not bound to an executor.
class file_descriptor {
  public:
    /// None.
    file_descriptor() noexcept = default;
    /// Takes `fd` over; negative: none.
    explicit file_descriptor(int fd) noexcept : fd_(fd) {}
    file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~file_descriptor() { reset(); }

    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    /// The number, -1 when there is none. Still owned by this.
    [[nodiscard]] int get() const noexcept { return fd_; }
    /// Gives it away: the caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    /// Closes it now.
    void reset() noexcept {
        if (fd_ >= 0) close();
    }
    /// A second descriptor for the same open file; not inherited by programs that are started.
    /// Throws failure.
    [[nodiscard]] file_descriptor duplicate() const;

  private:
    void close() noexcept;

    int fd_ = -1;
};

}  // namespace weft::net
