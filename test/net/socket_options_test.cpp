// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/attempt.hpp>
#include <weft/core/failure.hpp>
#include <weft/net/listener.hpp>
#include <weft/net/tcp.hpp>
#include <weft/net/unix.hpp>
#include <weft/testing/run.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace weft;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

int number(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    if (::getsockopt(fd, level, name, &value, &length) != 0) return -1;
    return value;
}

std::string text(int fd, int level, int name) {
    std::string value(64, '\0');
    auto length = static_cast<socklen_t>(value.size());
    if (::getsockopt(fd, level, name, value.data(), &length) != 0) return "?";
    value.resize(length);
    return value.c_str();  // without the NULs
}

bool is_v6(int fd) { return number(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6; }

/// One option: how it is asked for, what getsockopt must then say, and where it applies.
struct row {
    const char* option;
    const char* value;
    std::function<void(net::socket_options&)> ask;
    std::function<std::string(int fd)> read;
    std::string expected;
    bool tcp = true;
    bool udp = true;
    bool unix_too = false;
    bool listener = true;
    bool accepted = true;
    bool connector = true;
    bool v6_only = false;
};

std::string of(int fd, int level, int name) { return std::to_string(number(fd, level, name)); }

const std::vector<row>& table() {
    static const std::vector<row> rows = [] {
        std::vector<row> all;
        const auto add = [&](const char* option, const char* value, auto ask, auto read,
                             std::string expected) -> row& {
            all.push_back({option, value, ask, read, std::move(expected)});
            return all.back();
        };
        using options = net::socket_options;
        add(
            "nodelay", "true", [](options&) {},
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_NODELAY); }, "1");
        add(
            "nodelay", "false", [](options& o) { o.nodelay = false; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_NODELAY); }, "0");
        add(
            "keepalive", "30 s, 5 s, 3",
            [](options& o) { o.keepalive = {.idle = 30s, .interval = 5s, .count = 3}; },
            [](int fd) {
                return of(fd, SOL_SOCKET, SO_KEEPALIVE) + " " + of(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
                       " " + of(fd, IPPROTO_TCP, TCP_KEEPINTVL) + " " +
                       of(fd, IPPROTO_TCP, TCP_KEEPCNT);
            },
            "1 30 5 3");
        add(
            "user_timeout", "20000 ms", [](options& o) { o.user_timeout = 20s; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT); }, "20000");
        add(
            "linger", "0 s", [](options& o) { o.linger = 0s; },
            [](int fd) {
                linger l{};
                socklen_t length = sizeof l;
                ::getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &length);
                return std::to_string(l.l_onoff) + " " + std::to_string(l.l_linger);
            },
            "1 0");
        add(
            "congestion_control", "reno", [](options& o) { o.congestion_control = "reno"; },
            [](int fd) { return text(fd, IPPROTO_TCP, TCP_CONGESTION); }, "reno");
        add(
            "notsent_lowat", "16384", [](options& o) { o.notsent_lowat = 16384; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT); }, "16384");
        row& queue = add(
            "fastopen", "7", [](options& o) { o.fastopen = 7; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_FASTOPEN); }, "7");
        queue.accepted = queue.connector = false;
        row& first_packet = add(
            "fastopen", "7", [](options& o) { o.fastopen = 7; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT); }, "1");
        first_packet.listener = first_packet.accepted = false;
        row& no_first_packet = add(
            "fastopen", "0", [](options& o) { o.fastopen = 0; },
            [](int fd) { return of(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT); }, "0");
        no_first_packet.listener = no_first_packet.accepted = false;
        for (row& r : all) r.udp = false;

        add(
            "reuse_port", "true", [](options& o) { o.reuse_port = true; },
            [](int fd) { return of(fd, SOL_SOCKET, SO_REUSEPORT); }, "1");
        add(
            "mark", "77", [](options& o) { o.mark = 77; },
            [](int fd) { return of(fd, SOL_SOCKET, SO_MARK); }, "77");
        add(
            "bind_device", "lo", [](options& o) { o.bind_device = "lo"; },
            [](int fd) { return text(fd, SOL_SOCKET, SO_BINDTODEVICE); }, "lo");
        add(
            "transparent", "true", [](options& o) { o.transparent = true; },
            [](int fd) {
                return is_v6(fd) ? of(fd, IPPROTO_IPV6, IPV6_TRANSPARENT)
                                 : of(fd, IPPROTO_IP, IP_TRANSPARENT);
            },
            "1");
        add(
            "freebind", "true", [](options& o) { o.freebind = true; },
            [](int fd) {
                return is_v6(fd) ? of(fd, IPPROTO_IPV6, IPV6_FREEBIND)
                                 : of(fd, IPPROTO_IP, IP_FREEBIND);
            },
            "1");
        add(
            "traffic_class", "40", [](options& o) { o.traffic_class = std::uint8_t{40}; },
            [](int fd) {
                return is_v6(fd) ? of(fd, IPPROTO_IPV6, IPV6_TCLASS) : of(fd, IPPROTO_IP, IP_TOS);
            },
            "40");
        add(
            "v6_only", "true", [](options& o) { o.v6_only = true; },
            [](int fd) { return of(fd, IPPROTO_IPV6, IPV6_V6ONLY); }, "1")
            .v6_only = true;
        // The system sets aside twice what is asked for (socket(7)).
        add(
            "send_buffer", "20000", [](options& o) { o.send_buffer = 20000; },
            [](int fd) { return of(fd, SOL_SOCKET, SO_SNDBUF); }, "40000")
            .unix_too = true;
        add(
            "receive_buffer", "20000", [](options& o) { o.receive_buffer = 20000; },
            [](int fd) { return of(fd, SOL_SOCKET, SO_RCVBUF); }, "40000")
            .unix_too = true;
        return all;
    }();
    return rows;
}

/// Whether this machine lets us: containers take CAP_NET_ADMIN away.
bool may_administer() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one = 1;
    const bool may = ::setsockopt(fd, SOL_SOCKET, SO_MARK, &one, sizeof one) == 0;
    ::close(fd);
    return may;
}

bool needs_permission(const row& r) {
    const std::string_view o = r.option;
    return o == "mark" || o == "transparent";
}

struct end {
    const char* address;
    bool v6;
    bool is_unix;
};

constexpr end ends[] = {{"127.0.0.1:0", false, false},
                        {"[::1]:0", true, false},
                        {"unix:@weft socket options test", false, true}};

bool applies(const row& r, const end& e) {
    if (e.is_unix) return r.unix_too || std::string_view(r.option) == "nodelay";
    return r.tcp && (!r.v6_only || e.v6);
}

awaitable<io::stream> connect_to(const net::any_endpoint& at, const net::socket_options& options) {
    if (at.is_unix()) {
        const net::unix_domain::connector connect(net::to_string(at), {.socket = options});
        co_return co_await connect.serve(net::connect_request());
    }
    const net::tcp::connector connect({.socket = options});
    net::connect_request to(at.address().to_string(), at.port());
    co_return co_await connect.serve(std::move(to));
}

/// What a call that fails with a failure says, else nullopt.
template <class F>
std::optional<failure> refused(F f) {
    try {
        f();
        return std::nullopt;
    } catch (const failure& e) {
        return e;
    }
}

void check_named(const failure& f, const row& r, failure_kind kind) {
    CHECK(f.kind() == kind);
    CHECK(f.context("option") == r.option);
    CHECK(f.context("value") == r.value);
    const std::string said = f.what();
    CHECK(said.find(std::string(r.option) + " = " + r.value) != std::string::npos);
}

}  // namespace

TEST_CASE("every socket option is read back from listener, accepted stream and connector") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const bool administrator = may_administer();
        int checked = 0;
        for (const end& e : ends) {
            for (const row& r : table()) {
                if (!applies(r, e) || (needs_permission(r) && !administrator)) continue;
                if (e.is_unix && !r.unix_too) continue;  // nodelay: nothing to read
                CAPTURE(e.address);
                CAPTURE(r.option);
                CAPTURE(r.value);
                net::listen_options listening;
                if (r.listener) r.ask(listening.socket);
                net::listen_socket socket(e.address, listening);
                if (r.listener) {
                    ++checked;
                    CHECK(r.read(socket.native_socket()) == r.expected);
                }
                net::listener listener(ex, std::move(socket));
                net::socket_options connecting;
                if (r.connector) r.ask(connecting);
                io::stream client = co_await connect_to(listener.local_endpoint(), connecting);
                if (r.connector) {
                    ++checked;
                    CHECK(r.read(client.native_socket()) == r.expected);
                }
                if (!r.accepted) continue;  // with fastopen it comes with the first byte
                io::stream server = co_await listener.accept();
                ++checked;
                CHECK(r.read(server.native_socket()) == r.expected);
            }
        }
        MESSAGE("read back ", checked, " options");
        CHECK(checked >= (administrator ? 90 : 78));
    });
}

TEST_CASE("a socket option that does not apply is a failure that names it and its value") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        for (const end& e : ends) {
            net::listener listener(ex, e.address);
            for (const row& r : table()) {
                if (applies(r, e)) continue;
                CAPTURE(e.address);
                CAPTURE(r.option);
                net::listen_options listening;
                r.ask(listening.socket);
                const auto f = refused([&] { net::listen_socket(e.address, listening); });
                REQUIRE(f);
                check_named(*f, r, failure_kind::invalid_input);
                const auto c =
                    co_await attempt(connect_to(listener.local_endpoint(), listening.socket));
                REQUIRE(!c);
                check_named(c.error(), r, failure_kind::invalid_input);
            }
        }
    });
}

TEST_CASE("a socket option that the system refuses is named too") {
    struct bad {
        const char* option;
        const char* value;
        std::function<void(net::socket_options&)> ask;
    };
    const bad rows[] = {
        {"linger", "5 s", [](auto& o) { o.linger = 5s; }},
        {"keepalive", "0 s, 10 s, 5", [](auto& o) { o.keepalive = {.idle = 0s}; }},
        {"keepalive", "60 s, 10 s, 128", [](auto& o) { o.keepalive = {.count = 128}; }},
        {"user_timeout", "0 ms", [](auto& o) { o.user_timeout = 0ms; }},
        {"congestion_control", "no such thing",
         [](auto& o) { o.congestion_control = "no such thing"; }},
        {"bind_device", "no such device", [](auto& o) { o.bind_device = "no such device"; }},
        {"notsent_lowat", "0", [](auto& o) { o.notsent_lowat = 0; }},
        {"fastopen", "-1", [](auto& o) { o.fastopen = -1; }},
        {"send_buffer", "4294967296", [](auto& o) { o.send_buffer = std::size_t{1} << 32; }},
    };
    for (const bad& b : rows) {
        CAPTURE(b.option);
        CAPTURE(b.value);
        net::listen_options listening;
        b.ask(listening.socket);
        const auto f = refused([&] { net::listen_socket("127.0.0.1:0", listening); });
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::invalid_input);
        CHECK(f->context("option") == b.option);
        CHECK(f->context("value") == b.value);
    }
}

TEST_CASE("a socket option without the permission for it is rejected and named") {
    if (::geteuid() != 0) return;  // nothing to give away
    std::size_t most = 0;          // stays so where a container does not show it
    std::ifstream("/proc/sys/net/core/wmem_max") >> most;
    // Of this thread only: the bare system call, which libc's setuid does for all threads.
    REQUIRE(::syscall(SYS_setresuid, -1, 65534, -1) == 0);
    std::vector<std::pair<const row*, std::optional<failure>>> said;
    for (const row& r : table()) {
        if (!needs_permission(r)) continue;
        net::listen_options listening;
        r.ask(listening.socket);
        said.emplace_back(&r, refused([&] { net::listen_socket("127.0.0.1:0", listening); }));
    }
    row large{"send_buffer", "536870912", [](auto& o) { o.send_buffer = 536870912; }, {}, ""};
    net::listen_options listening;
    large.ask(listening.socket);
    said.emplace_back(&large, refused([&] { net::listen_socket("127.0.0.1:0", listening); }));
    // Above the system's limit, though not above the double of it, which is what it sets aside.
    const std::string above_value = std::to_string(most + most / 2);
    row above{"send_buffer", {}, [&](auto& o) { o.send_buffer = most + most / 2; }, {}, ""};
    above.value = above_value.c_str();
    if (most > 0) {
        above.ask(listening.socket);
        said.emplace_back(&above, refused([&] { net::listen_socket("127.0.0.1:0", listening); }));
    }
    REQUIRE(::syscall(SYS_setresuid, -1, 0, -1) == 0);
    for (const auto& [r, f] : said) {
        CAPTURE(r->option);
        REQUIRE(f);
        check_named(*f, *r, failure_kind::rejected);
    }
    CHECK(said.size() == (most > 0 ? 4 : 3));
}

TEST_CASE("a connector binds to the local address that it was given") {
    testing::run_real([]() -> awaitable<void> {
        net::tcp::listener listener(co_await asio::this_coro::executor, "0.0.0.0:0");
        const net::tcp::connector connect({.local = net::parse_endpoint("127.0.0.9:0")});
        net::connect_request to("127.0.0.1", listener.local_endpoint().port());
        io::stream client = co_await connect.serve(std::move(to));
        io::stream server = co_await listener.accept();
        const auto* peer = server.extensions().get<net::peer_endpoint>();
        REQUIRE(peer);
        CHECK(peer->value.address().to_string() == "127.0.0.9");
    });
}

TEST_CASE("an adopted stream and an adopted listener have the options too") {
    testing::run_real([]() -> awaitable<void> {
        auto ex = co_await asio::this_coro::executor;
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
        REQUIRE(::listen(fd, 16) == 0);
        net::listen_options options;
        options.socket.user_timeout = 9s;
        net::listen_socket socket(net::file_descriptor(fd), options);
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        const net::any_endpoint at = socket.local_endpoint();
        CHECK(at.port() != 0);
        net::listener listener(ex, std::move(socket));

        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(client, at.ip().data(), static_cast<socklen_t>(at.ip().size())) == 0);
        io::stream mine = net::tcp::adopt(ex, client, {.user_timeout = 8s});
        CHECK(number(client, IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(number(client, IPPROTO_TCP, TCP_USER_TIMEOUT) == 8000);
        io::stream accepted = co_await listener.accept();
        CHECK(number(accepted.native_socket(), IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(number(accepted.native_socket(), IPPROTO_TCP, TCP_USER_TIMEOUT) == 9000);

        const auto f = refused([&] { net::listen_socket(net::file_descriptor(::dup(client))); });
        REQUIRE(f);
        CHECK(f->kind() == failure_kind::invalid_input);
        const auto g = refused([&] { net::listen_socket(net::file_descriptor(::dup(0))); });
        REQUIRE(g);
        CHECK(g->kind() == failure_kind::invalid_input);
    });
}
