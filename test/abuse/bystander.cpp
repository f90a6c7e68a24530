// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "bystander.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

namespace abuse {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr auto every = 2ms;
constexpr auto every_new = 20ms;

/// On a processor that the attackers have to themselves he would measure them, and not the server:
/// where it is allowed, he goes first.
void go_first() {
    sched_param first{};
    first.sched_priority = 1;
    ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &first);
}

}  // namespace

bystander::bystander(std::uint16_t port)
    : port_(port),
      kept_thread_([this] { ask_over_one(); }),
      fresh_thread_([this] { ask_over_new(); }) {}

bystander::~bystander() {
    stop_ = true;
    kept_thread_.join();
    fresh_thread_.join();
}

bystander::experience bystander::take() {
    experience e{kept_, fresh_, lost_.exchange(0), last_loss_.load()};
    kept_.clear();
    fresh_.clear();
    return e;
}

void bystander::lose(const char* how) {
    last_loss_ = how;
    ++lost_;
}

int bystander::connect() {
    const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) return -1;
    const int on = 1;
    ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval patience{20, 0};
    ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(s, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        ::close(s);
        return -1;
    }
    return s;
}

bystander::answer bystander::exchange(int socket) {
    constexpr std::string_view ask = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    constexpr std::string_view wanted = "Hello, World!";
    if (::send(socket, ask.data(), ask.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ask.size()))
        return answer::none;
    std::array<char, 1024> buffer;
    std::size_t have = 0;
    for (;;) {
        const ssize_t n = ::recv(socket, buffer.data() + have, buffer.size() - have, 0);
        if (n <= 0) return have == 0 ? answer::none : answer::wrong;
        have += static_cast<std::size_t>(n);
        const std::string_view got(buffer.data(), have);
        if (got.ends_with(wanted))
            return got.starts_with("HTTP/1.1 200 ") ? answer::right : answer::wrong;
        if (have == buffer.size()) return answer::wrong;
    }
}

void bystander::ask_over_one() {
    go_first();
    int kept = -1;
    for (auto due = steady::now(); !stop_;) {
        due = std::max(due + every, steady::now());
        std::this_thread::sleep_until(due);
        const auto from = steady::now();
        const bool is_new = kept < 0;
        if (is_new) kept = connect();
        answer got = kept < 0 ? answer::none : exchange(kept);
        if (got == answer::none && !is_new) {
            // The server may close a connection that was idle for long (we were held up): any
            // client tries once more.
            ::close(kept);
            kept = connect();
            got = kept < 0 ? answer::none : exchange(kept);
        }
        if (got == answer::right) {
            kept_.record_stall(steady::now() - from, every);
            continue;
        }
        lose("on the kept connection");
        if (kept >= 0) ::close(kept);
        kept = -1;
    }
    if (kept >= 0) ::close(kept);
}

void bystander::ask_over_new() {
    go_first();
    for (auto due = steady::now(); !stop_;) {
        due = std::max(due + every_new, steady::now());
        std::this_thread::sleep_until(due);
        const auto from = steady::now();
        const int s = connect();
        if (s < 0) {
            lose("connecting");
            continue;
        }
        if (exchange(s) == answer::right)
            fresh_.record_stall(steady::now() - from, every_new);
        else
            lose("on a new connection");
        const linger now{1, 0};  // no port stays behind
        ::setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        ::close(s);
    }
}

}  // namespace abuse
