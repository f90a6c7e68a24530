// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "set_options.hpp"

#include <weft/core/failure.hpp>

#include <cerrno>
#include <climits>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace weft::net::detail {

namespace {

/// One socket: what kind it is, and setting with complaints that name option and value.
class setter {
  public:
    explicit setter(int socket) : socket_(socket), family_(ask(SO_DOMAIN)), type_(ask(SO_TYPE)) {}

    [[nodiscard]] bool is_unix() const noexcept { return family_ == AF_UNIX; }
    [[nodiscard]] bool is_v6() const noexcept { return family_ == AF_INET6; }
    [[nodiscard]] bool is_tcp() const noexcept { return type_ == SOCK_STREAM && !is_unix(); }

    void number(std::string_view option, int level, int name, long long value,
                std::string_view unit = {}) const {
        const auto n = static_cast<int>(value);
        if (::setsockopt(socket_, level, name, &n, sizeof n) != 0)
            refused(option, std::to_string(value).append(unit), errno);
    }
    void flag(std::string_view option, int level, int name, bool value) const {
        const int n = value ? 1 : 0;
        if (::setsockopt(socket_, level, name, &n, sizeof n) != 0)
            refused(option, value ? "true" : "false", errno);
    }
    void text(std::string_view option, int level, int name, const std::string& value) const {
        if (::setsockopt(socket_, level, name, value.data(),
                         static_cast<socklen_t>(value.size())) != 0)
            refused(option, value, errno);
    }
    /// The system lowers sizes above its limit without a word: then by force, or not at all.
    void buffer(std::string_view option, int name, int by_force, std::size_t value) const {
        const std::string shown = std::to_string(value);
        within(option, shown, value <= INT_MAX / 2, "at most 1 GiB");
        number(option, SOL_SOCKET, name, static_cast<long long>(value));
        if (static_cast<std::size_t>(ask(name)) >= 2 * value) return;
        const auto n = static_cast<int>(value);
        if (::setsockopt(socket_, SOL_SOCKET, by_force, &n, sizeof n) != 0)
            refused(option, shown, errno);
    }

    void needs(bool applies, std::string_view option, const std::string& value) const {
        if (applies) return;
        const char* const kind = is_unix() ? "a Unix socket"
                                 : type_ == SOCK_STREAM
                                     ? (is_v6() ? "a TCP socket of IPv6" : "a TCP socket of IPv4")
                                 : is_v6() ? "a UDP socket of IPv6"
                                           : "a UDP socket of IPv4";
        throw failure(failure_kind::invalid_input,
                      std::string("socket option ").append(option).append(" = ").append(value) +
                          " does not apply to " + kind)
            .with("option", option)
            .with("value", value);
    }
    static void within(std::string_view option, const std::string& value, bool fits,
                       std::string_view range) {
        if (fits) return;
        throw failure(failure_kind::invalid_input, std::string("socket option ")
                                                       .append(option)
                                                       .append(" = ")
                                                       .append(value)
                                                       .append(": expected ")
                                                       .append(range))
            .with("option", option)
            .with("value", value);
    }

  private:
    [[nodiscard]] int ask(int name) const noexcept {
        int value = 0;
        socklen_t length = sizeof value;
        ::getsockopt(socket_, SOL_SOCKET, name, &value, &length);
        return value;
    }

    [[noreturn]] static void refused(std::string_view option, const std::string& value, int error) {
        const bool permission = error == EPERM || error == EACCES;
        throw failure(permission ? failure_kind::rejected : failure_kind::invalid_input,
                      boost::system::error_code(error, boost::system::system_category()),
                      std::string("cannot set socket option ").append(option).append(" = ") + value)
            .with("option", option)
            .with("value", value);
    }

    int socket_;
    int family_;
    int type_;
};

void set_keepalive(const setter& set, const keepalive_options& k) {
    const auto idle = k.idle.count();
    const auto interval = k.interval.count();
    const std::string shown =
        std::to_string(idle) + " s, " + std::to_string(interval) + " s, " + std::to_string(k.count);
    set.needs(set.is_tcp(), "keepalive", shown);
    set.within("keepalive", shown,
               idle >= 1 && idle <= 32767 && interval >= 1 && interval <= 32767 && k.count >= 1 &&
                   k.count <= 127,
               "1 to 32767 s, 1 to 32767 s, 1 to 127");
    set.number("keepalive", SOL_SOCKET, SO_KEEPALIVE, 1);
    set.number("keepalive idle", IPPROTO_TCP, TCP_KEEPIDLE, idle, " s");
    set.number("keepalive interval", IPPROTO_TCP, TCP_KEEPINTVL, interval, " s");
    set.number("keepalive count", IPPROTO_TCP, TCP_KEEPCNT, k.count);
}

void set_of_tcp(const setter& set, const socket_options& o, socket_role role) {
    if (set.is_tcp()) set.flag("nodelay", IPPROTO_TCP, TCP_NODELAY, o.nodelay);
    if (o.keepalive) set_keepalive(set, *o.keepalive);
    if (o.user_timeout) {
        const auto ms = o.user_timeout->count();
        const std::string shown = std::to_string(ms) + " ms";
        set.needs(set.is_tcp(), "user_timeout", shown);
        set.within("user_timeout", shown, ms > 0 && ms <= INT_MAX, "more than zero");
        set.number("user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT, ms, " ms");
    }
    if (!o.congestion_control.empty()) {
        set.needs(set.is_tcp(), "congestion_control", o.congestion_control);
        set.text("congestion_control", IPPROTO_TCP, TCP_CONGESTION, o.congestion_control);
    }
    if (o.notsent_lowat) {
        const std::string shown = std::to_string(*o.notsent_lowat);
        set.needs(set.is_tcp(), "notsent_lowat", shown);
        set.within("notsent_lowat", shown, *o.notsent_lowat > 0 && *o.notsent_lowat <= INT_MAX,
                   "1 to 2147483647");
        set.number("notsent_lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT,
                   static_cast<long long>(*o.notsent_lowat));
    } else if (set.is_tcp() && role == socket_role::listener) {
        // Linux hands it down to the connections that are accepted.
        set.number("notsent_lowat", IPPROTO_TCP, TCP_NOTSENT_LOWAT, served_notsent_lowat::at_first);
    }
    if (o.fastopen) {
        const std::string shown = std::to_string(*o.fastopen);
        const bool listens = role == socket_role::listener || role == socket_role::listening;
        set.needs(set.is_tcp() && (listens || role == socket_role::connector), "fastopen", shown);
        set.within("fastopen", shown, *o.fastopen >= 0, "zero or more");
        if (listens)
            set.number("fastopen", IPPROTO_TCP, TCP_FASTOPEN, *o.fastopen);
        else
            set.number("fastopen", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, *o.fastopen > 0 ? 1 : 0);
    }
}

/// IPv6 sockets carry IPv4 too, so they get both forms.
void set_of_ip(const setter& set, const socket_options& o, socket_role role) {
    const bool ip = !set.is_unix();
    if (o.mark) {
        const std::string shown = std::to_string(*o.mark);
        set.needs(ip, "mark", shown);
        set.number("mark", SOL_SOCKET, SO_MARK, *o.mark);
    }
    if (!o.bind_device.empty()) {
        set.needs(ip, "bind_device", o.bind_device);
        set.text("bind_device", SOL_SOCKET, SO_BINDTODEVICE, o.bind_device);
    }
    if (o.reuse_port) {
        set.needs(ip, "reuse_port", "true");
        set.flag("reuse_port", SOL_SOCKET, SO_REUSEPORT, true);
    }
    if (o.transparent) {
        set.needs(ip, "transparent", "true");
        if (set.is_v6())
            set.flag("transparent", IPPROTO_IPV6, IPV6_TRANSPARENT, true);
        else
            set.flag("transparent", IPPROTO_IP, IP_TRANSPARENT, true);
    }
    if (o.freebind) {
        set.needs(ip, "freebind", "true");
        if (set.is_v6())
            set.flag("freebind", IPPROTO_IPV6, IPV6_FREEBIND, true);
        else
            set.flag("freebind", IPPROTO_IP, IP_FREEBIND, true);
    }
    if (o.traffic_class) {
        set.needs(ip, "traffic_class", std::to_string(*o.traffic_class));
        set.number("traffic_class", IPPROTO_IP, IP_TOS, *o.traffic_class);
        if (set.is_v6()) set.number("traffic_class", IPPROTO_IPV6, IPV6_TCLASS, *o.traffic_class);
    }
    if (o.v6_only) set.needs(set.is_v6(), "v6_only", "true");
    // Explicitly off too, since the system's default is a setting. It can only be said before bind.
    const bool unbound = role == socket_role::listener || role == socket_role::datagram;
    if (set.is_v6() && (unbound || o.v6_only))
        set.flag("v6_only", IPPROTO_IPV6, IPV6_V6ONLY, o.v6_only);
}

}  // namespace

void set_options(int socket, const socket_options& o, socket_role role) {
    const setter set(socket);
    set_of_tcp(set, o, role);
    set_of_ip(set, o, role);
    if (o.linger) {
        const std::string shown = std::to_string(o.linger->count()) + " s";
        set.needs(set.is_tcp(), "linger", shown);
        set.within("linger", shown, o.linger->count() == 0,
                   "0 s (a close that waits would hold up the event loop)");
        const ::linger value{1, 0};
        ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &value, sizeof value);
    }
    if (o.send_buffer) set.buffer("send_buffer", SO_SNDBUF, SO_SNDBUFFORCE, *o.send_buffer);
    if (o.receive_buffer)
        set.buffer("receive_buffer", SO_RCVBUF, SO_RCVBUFFORCE, *o.receive_buffer);
}

}  // namespace weft::net::detail
