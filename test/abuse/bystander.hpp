// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/histogram.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace abuse {

/// Who only wants his thirteen bytes: every two milliseconds over a connection that he keeps, and
/// every twenty over a new one. Two threads with plain blocking sockets.
///
/// A late answer also counts for those that he would have asked for meanwhile
/// (histogram::record_stall).
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

  private:
    enum class answer : unsigned char { right, wrong, none };
    void ask_over_one();
    void ask_over_new();
    static answer exchange(int socket);
    int connect();
    void lose(const char* how);

    std::uint16_t port_;
    std::atomic<bool> stop_{false};
    weft::histogram kept_;
    weft::histogram fresh_;
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<const char*> last_loss_{""};
    std::thread kept_thread_, fresh_thread_;
};

}  // namespace abuse
