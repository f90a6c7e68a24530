// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "datagram.hpp"
#include "set_options.hpp"
#include "socket_file.hpp"
#include "unix_address.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/unix_datagram.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace weft::net::unix_domain {

namespace asio = boost::asio;
using net::detail::descriptor;
using net::detail::unix_address;

namespace {

failure about(int error, const char* what, const unix_endpoint& name) {
    const boost::system::error_code code(error, boost::system::system_category());
    return failure::from(code, std::string(what) + to_string(name)).with("path", name.path);
}

unix_endpoint parse(std::string_view name) {
    if (name.empty()) return {};
    return parse_any_endpoint(name.starts_with("unix:") ? std::string(name)
                                                        : "unix:" + std::string(name))
        .unix_name();
}

}  // namespace

struct datagram_socket::state {
    net::detail::readiness ready;
    unix_endpoint local;
    unix_endpoint peer;
    std::optional<net::detail::socket_file> file = {};
};

datagram_socket::datagram_socket(datagram_socket&&) noexcept = default;
datagram_socket& datagram_socket::operator=(datagram_socket&&) noexcept = default;
datagram_socket::~datagram_socket() = default;

datagram_socket::datagram_socket(asio::any_io_executor executor, std::string_view name,
                                 const datagram_options& options)
    : state_(std::make_unique<state>()) {
    state_->local = parse(name);
    const unix_endpoint& local = state_->local;
    file_descriptor fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) throw about(errno, "cannot open a socket for ", local);
    net::detail::set_options(fd.get(), options.socket, net::detail::socket_role::datagram);
    if (local.path.starts_with('@')) {
        const unix_address address(local);
        if (::bind(fd.get(), address.data(), address.length) != 0)
            throw about(errno, "cannot bind to ", local);
    } else if (!local.path.empty()) {
        state_->file.emplace(fd.get(), local.path, net::detail::socket_file::no_backlog,
                             options.file);
    }
    state_->ready = net::detail::readiness(std::move(executor), std::move(fd));
}

void datagram_socket::connect(std::string_view name) {
    unix_endpoint to = parse(name);
    const unix_address address(to);
    if (::connect(state_->ready.fd(), address.data(), address.length) != 0)
        throw about(errno, "cannot connect to ", to);
    state_->peer = std::move(to);
}

const unix_endpoint& datagram_socket::local_endpoint() const noexcept { return state_->local; }
int datagram_socket::native_socket() const noexcept { return state_->ready.fd(); }
void datagram_socket::close() noexcept { state_->ready.close(); }

awaitable<received_datagram> datagram_socket::receive(asio::mutable_buffer buffer,
                                                      std::source_location where) {
    state& s = *state_;
    received_datagram got;
    unix_address from;
    auto failed = [&s](int error) { return about(error, "cannot receive at ", s.local); };
    auto call = [&](int fd) {
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_name = &from.name;
        message.msg_namelen = sizeof from.name;
        const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_TRUNC);
        from.length = message.msg_namelen;
        return n;
    };
    got.size = co_await net::detail::when_ready(&s.ready, descriptor::input, "receive", &call,
                                                &failed, where);
    got.bytes = std::min(got.size, buffer.size());
    got.from = from.endpoint();
    co_return std::move(got);
}

awaitable<void> datagram_socket::send(asio::const_buffer data, std::source_location where) {
    if (state_->peer.path.empty())
        throw failure(failure_kind::invalid_input, "this Unix datagram socket is not connected");
    return send_there(state_.get(), data, {}, where);
}

awaitable<void> datagram_socket::send_to(asio::const_buffer data, const unix_endpoint& to,
                                         std::source_location where) {
    return send_there(state_.get(), data, to, where);
}

/// A connected socket is writable while its peer's queue has room. For any other name the system
/// says EAGAIN, and never when that changes: so we ask again, less and less often.
awaitable<void> datagram_socket::send_there(state* s, asio::const_buffer data, unix_endpoint to,
                                            std::source_location where) {
    const bool connected = to.path.empty();
    const unix_endpoint& name = connected ? s->peer : to;
    std::optional<unix_address> address;
    if (!connected) address.emplace(to);
    bool full = false;
    auto failed = [&](int error) {
        if (error == EMSGSIZE)
            return failure(failure_kind::invalid_input,
                           boost::system::error_code(error, boost::system::system_category()),
                           "a datagram of " + std::to_string(data.size()) + " bytes is too large")
                .with("size", static_cast<long long>(data.size()));
        return about(error, "cannot send to ", name);
    };
    auto call = [&](int fd) -> ssize_t {
        const ssize_t n =
            ::sendto(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                     address ? address->data() : nullptr, address ? address->length : 0);
        full = n < 0 && errno == EAGAIN && address;
        return full ? 0 : n;
    };
    clock::duration pause = std::chrono::milliseconds(1);
    for (;;) {
        co_await net::detail::when_ready(&s->ready, descriptor::output, "send", &call, &failed,
                                         where);
        if (!full) co_return;
        co_await sleep_for(pause, where);
        pause = std::min<clock::duration>(pause * 2, std::chrono::milliseconds(50));
    }
}

}  // namespace weft::net::unix_domain
