// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/histogram.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace abuse {

/// Who only wants his thirteen bytes: every two milliseconds over a connection that he keeps, and
/// every twenty over a new one. A thread with plain blocking sockets.
///
/// The time counts from when he meant to ask, so that a server that answers late is not asked less.
class bystander {
  public:
    explicit bystander(std::uint16_t port);
    bystander(const bystander&) = delete;
    bystander& operator=(const bystander&) = delete;
    /// Stops asking.
    ~bystander();

    struct experience {
        weft::histogram kept;
        weft::histogram fresh;
        std::uint64_t lost = 0;  ///< requests without the right answer
        std::string last_loss{};
    };
    /// What he met since the last call.
    experience take();
    /// Whether he also asks over new connections.
    void ask_freshly(bool yes) noexcept { freshly_ = yes; }

  private:
    void run();
    bool exchange(int socket);
    int connect();
    void lose(const char* how);

    std::uint16_t port_;
    std::atomic<bool> stop_{false};
    std::atomic<bool> freshly_{true};
    weft::histogram kept_;
    weft::histogram fresh_;
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<const char*> last_loss_{""};
    std::thread thread_;
};

}  // namespace abuse
