// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "swarm.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace abuse {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t at_once = 512;  // connections under way
constexpr std::size_t piece = 64 * 1024;

void set(int s, int level, int name, int value) {
    ::setsockopt(s, level, name, &value, sizeof value);
}

}  // namespace

std::size_t raise_descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t most = 1u << 20;
    // The hard limit is root's to raise.
    const rlimit higher{most, most};
    if (limit.rlim_max < most && ::setrlimit(RLIMIT_NOFILE, &higher) == 0) return most;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return std::min<rlim_t>(limit.rlim_cur, most);
}

swarm::~swarm() {
    for (attacker& a : all_)
        if (a.socket >= 0) ::close(a.socket);
    if (epoll_ >= 0) ::close(epoll_);
}

void swarm::open_epoll() {
    if (epoll_ >= 0) return;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

void swarm::add(const manner& m) {
    attacker& a = all_.emplace_back();
    a.how = &m;
}

void swarm::start(std::uint32_t index) {
    attacker& a = all_[index];
    a.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a.socket < 0) throw std::system_error(errno, std::system_category(), "socket");
    set(a.socket, IPPROTO_TCP, TCP_NODELAY, 1);
    if (a.how->receive_buffer != 0) set(a.socket, SOL_SOCKET, SO_RCVBUF, a.how->receive_buffer);
    // From many addresses: one has not enough ports for a flood.
    set(a.socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    sockaddr_in from{};
    from.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index % 100);
    ::bind(a.socket, reinterpret_cast<const sockaddr*>(&from), sizeof from);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.is = state::connecting;
    ++connecting_;
    if (::connect(a.socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS) {
        --connecting_;
        a.is = state::refused;
        ::close(std::exchange(a.socket, -1));
        return;
    }
    epoll_event e{};
    e.events = EPOLLOUT;
    e.data.u32 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, a.socket, &e);
}

void swarm::connect_some() {
    std::size_t due = all_.size();
    if (const auto since = steady::now() - begun_; since < arrival_)
        due = static_cast<std::size_t>(static_cast<double>(due) * (since / 1.0ms) /
                                       (arrival_ / 1.0ms));
    while (next_to_connect_ < due && connecting_ < at_once)
        start(static_cast<std::uint32_t>(next_to_connect_++));
}

void swarm::watch(std::uint32_t index, bool change) {
    attacker& a = all_[index];
    if (!change || a.is != state::here) return;
    epoll_event e{};
    e.data.u32 = index;
    // Who does not read still learns that the connection has ended.
    e.events = a.told ? 0 : EPOLLRDHUP;
    if (a.how->reads == manner::reading::all && !a.told) e.events |= EPOLLIN;
    const bool floods = !a.how->refrain.empty() && a.how->every == 0ms;
    if (!a.opened || floods) e.events |= EPOLLOUT;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, a.socket, &e);
}

void swarm::leave(attacker& a) {
    ::close(std::exchange(a.socket, -1));
    a.is = state::gone;
    a.until = steady::now();
    --here_;
}

void swarm::listen(attacker& a) {
    static std::array<char, piece> buffer;
    for (int i = 0; i < 4; ++i) {
        const ssize_t n = ::recv(a.socket, buffer.data(), buffer.size(), 0);
        if (n > 0) {
            received_ += static_cast<std::uint64_t>(n);
            if (a.answer.size() < 16)
                a.answer.append(buffer.data(), std::min<std::size_t>(static_cast<std::size_t>(n),
                                                                     16 - a.answer.size()));
            continue;
        }
        if (n == 0)
            end_of_file(a);
        else if (errno != EAGAIN && errno != EINTR)
            leave(a);
        return;
    }
}

void swarm::end_of_file(attacker& a) {
    a.told = true;
    if (a.how->refrain.empty()) leave(a);
}

void swarm::trickle(attacker& a) {
    char c = 0;
    const ssize_t n = ::recv(a.socket, &c, 1, 0);
    if (n == 1) {
        ++received_;
        if (a.answer.size() < 16) a.answer += c;
    } else if (n == 0) {
        end_of_file(a);
    } else if (errno != EAGAIN && errno != EINTR) {
        leave(a);
    }
}

void swarm::speak(attacker& a) {
    const auto say = [&](std::string_view text) {
        text.remove_prefix(a.said);
        const ssize_t n = ::send(a.socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                listen(a);  // what was said before the end
                if (a.is == state::here) leave(a);
            }
            return false;
        }
        sent_ += static_cast<std::uint64_t>(n);
        a.said += static_cast<std::size_t>(n);
        if (static_cast<std::size_t>(n) < text.size()) return false;
        a.said = 0;
        return true;
    };
    if (!a.opened) {
        a.opened = a.how->opening.empty() || say(a.how->opening);
        if (!a.opened || a.is != state::here) return;
        a.next = steady::now() + a.how->every;
    }
    if (a.how->refrain.empty() || a.how->every != 0ms) return;
    for (int i = 0; i < 4 && say(a.how->refrain); ++i) {
    }
}

void swarm::happened(std::uint32_t index, std::uint32_t events) {
    attacker& a = all_[index];
    if (a.is == state::connecting) {
        --connecting_;
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(a.socket, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error != 0) {
            a.is = state::refused;
            ::close(std::exchange(a.socket, -1));
            return;
        }
        a.is = state::here;
        ++here_;
        a.since = steady::now();
        speak(a);
        return watch(index, true);
    }
    if (a.is != state::here) return;
    const bool was_open = a.opened;
    const bool was_told = a.told;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        if (a.how->reads == manner::reading::all)
            listen(a);
        else if (events & EPOLLRDHUP)
            end_of_file(a);
        if (a.is == state::here && (events & (EPOLLERR | EPOLLHUP))) leave(a);
    }
    if (a.is == state::here && (events & EPOLLOUT)) speak(a);
    watch(index, a.opened != was_open || a.told != was_told);
}

/// The slow ones, in turns: a part of them every time.
void swarm::tick() {
    const auto now = steady::now();
    const std::size_t part = std::min<std::size_t>(all_.size(), 4096);
    for (std::size_t i = 0; i < part; ++i) {
        const std::size_t index = tick_at_++ % all_.size();
        attacker& a = all_[index];
        if (a.is != state::here || a.how->every == 0ms || !a.opened || now < a.next) continue;
        a.next = now + a.how->every;
        if (a.how->reads == manner::reading::trickle) trickle(a);
        if (a.is != state::here || a.how->refrain.empty()) continue;
        const ssize_t n =
            ::send(a.socket, a.how->refrain.data(), a.how->refrain.size(), MSG_NOSIGNAL);
        if (n > 0)
            sent_ += static_cast<std::uint64_t>(n);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            leave(a);
    }
}

void swarm::run(std::chrono::milliseconds limit, const std::function<void()>& meanwhile,
                const std::function<bool()>& enough) {
    open_epoll();
    begun_ = steady::now();
    const auto end = begun_ + limit;
    auto next_look = steady::now();
    auto next_tick = steady::now();
    std::array<epoll_event, 256> events;
    while (here_ + connecting_ > 0 || next_to_connect_ < all_.size()) {
        connect_some();
        const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1);
        for (int i = 0; i < n; ++i)
            happened(events[static_cast<std::size_t>(i)].data.u32,
                     events[static_cast<std::size_t>(i)].events);
        const auto now = steady::now();
        if (now >= next_tick) {
            next_tick = now + 1ms;
            tick();
        }
        if (now >= next_look) {
            next_look = now + 50ms;
            if (meanwhile) meanwhile();
            if (enough && enough()) return;
        }
        if (now >= end) return;
    }
    if (meanwhile) meanwhile();
}

swarm::outcome swarm::so_far() const {
    outcome o;
    o.sent = sent_;
    o.received = received_;
    o.first_gone = std::chrono::milliseconds::max();
    for (const attacker& a : all_) {
        if (a.is == state::refused) ++o.refused;
        if (a.is == state::here) ++o.here;
        if (a.is != state::here && a.is != state::gone) continue;
        ++o.connected;
        const bool status = a.answer.size() >= 12 && a.answer.starts_with("HTTP/1.1 ");
        ++o.answers[status ? a.answer.substr(9, 3) : "none"];
        if (a.is != state::gone) continue;
        const auto stayed =
            std::chrono::duration_cast<std::chrono::milliseconds>(a.until - a.since);
        o.first_gone = std::min(o.first_gone, stayed);
        o.last_gone = std::max(o.last_gone, stayed);
    }
    if (o.first_gone == std::chrono::milliseconds::max()) o.first_gone = {};
    return o;
}

}  // namespace abuse
