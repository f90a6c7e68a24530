// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/server.hpp>

#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace abuse {

/// A weft server in a process of its own, so that its memory and processor time are its own.
///
/// It answers `/` with thirteen bytes, `/large` with 64 MiB that are made as they are sent,
/// `/upload` with how much it was sent, and closes with 0 on stop().
class server_process {
  public:
    struct options {
        weft::http::server_options http{};
        std::size_t max_connections = 0;
        std::size_t descriptors = 0;  ///< its limit on open files; 0: this process's
        bool apart = false;           ///< has the first processor, before everything else on it
        bool watchdog = false;        ///< says on stderr when its loop stands still, and why
    };
    /// Forks: before this process has threads.
    explicit server_process(const options& o);
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process();

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// Bytes in memory.
    [[nodiscard]] std::size_t resident() const;
    [[nodiscard]] std::size_t descriptors() const;
    /// Seconds of processor time, user and system.
    [[nodiscard]] double processor_seconds() const;
    /// SIGTERM; the exit status, or 128 + the signal that ended it.
    int stop();

  private:
    pid_t pid_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace abuse
