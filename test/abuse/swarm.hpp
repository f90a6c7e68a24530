// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace abuse {

/// What one attacker does, and nothing else. One that has something to say goes on saying it after
/// the server has ended its side; a silent one is gone then.
struct manner {
    /// Said as soon as it is connected.
    std::string opening{};
    /// Then said again and again: every `every`, or as fast as it goes when that is zero.
    std::string refrain{};
    std::chrono::milliseconds every{0};
    enum class reading : unsigned char {
        all,      ///< what comes
        trickle,  ///< a byte every `every`
        nothing
    };
    reading reads = reading::all;
    /// Of the socket; 0: the system's.
    int receive_buffer = 0;
};

/// Many attackers on one thread.
class swarm {
  public:
    /// They come within `arrival`, evenly; as fast as it goes when that is zero.
    explicit swarm(std::uint16_t port, std::chrono::milliseconds arrival = {}) noexcept
        : port_(port), arrival_(arrival) {}
    swarm(const swarm&) = delete;
    swarm& operator=(const swarm&) = delete;
    ~swarm();

    /// Starts one more; `m` must outlive the swarm. It connects with the next turn.
    void add(const manner& m);
    /// Does what is to be done until all are gone, or `limit` has passed, or `enough` says so.
    /// `meanwhile` is called every 50 ms.
    void run(std::chrono::milliseconds limit, const std::function<void()>& meanwhile = {},
             const std::function<bool()>& enough = {});

    struct outcome {
        std::size_t connected = 0;                            ///< ever
        std::size_t refused = 0;                              ///< never
        std::size_t here = 0;                                 ///< still connected
        std::chrono::milliseconds first_gone{}, last_gone{};  ///< after their connecting
        std::map<std::string, std::size_t> answers{};         ///< status code, or "none"
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
    };
    [[nodiscard]] outcome so_far() const;

  private:
    using steady = std::chrono::steady_clock;
    enum class state : unsigned char { waiting, connecting, here, gone, refused };
    struct attacker {
        const manner* how = nullptr;
        int socket = -1;
        state is = state::waiting;
        std::size_t said = 0;  // of the opening, then of the refrain
        bool opened = false;   // the opening is said
        bool told = false;     // the server has ended its side
        steady::time_point since{}, until{}, next{};
        std::string answer{};  // its beginning
    };

    void open_epoll();
    void connect_some();
    void start(std::uint32_t index);
    void happened(std::uint32_t index, std::uint32_t events);
    void speak(attacker& a);
    void listen(attacker& a);
    void end_of_file(attacker& a);
    void trickle(attacker& a);
    void watch(std::uint32_t index, bool change);
    void leave(attacker& a);
    void tick();

    std::uint16_t port_;
    std::chrono::milliseconds arrival_;
    steady::time_point begun_{};
    int epoll_ = -1;
    std::vector<attacker> all_;
    std::size_t next_to_connect_ = 0;
    std::size_t connecting_ = 0;
    std::size_t here_ = 0;
    std::size_t tick_at_ = 0;
    std::uint64_t sent_ = 0, received_ = 0;
};

/// Raises the limit on open files as far as that goes; how many there may be.
std::size_t raise_descriptors();

}  // namespace abuse
