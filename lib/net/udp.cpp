// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "datagram.hpp"
#include "resolver_pool.hpp"
#include "set_options.hpp"
#include "udp_messages.hpp"
#include "unix_address.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/udp.hpp>
#include <weft/runtime/executor.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace weft::net::udp {

namespace asio = boost::asio;
using io::error_code;
using net::detail::descriptor;

namespace {

error_code system_code(int error) noexcept { return {error, boost::system::system_category()}; }

file_descriptor open_socket(const endpoint& address, const options& o, bool connects) {
    const auto fail = [&](const char* what) {
        throw failure::from(system_code(errno), what + to_string(address))
            .with("address", to_string(address));
    };
    file_descriptor fd(::socket(address.protocol().family(),
                                SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
    if (!fd) fail("cannot open a UDP socket for ");
    net::detail::set_options(fd.get(), o.socket, net::detail::socket_role::datagram);
    const int one = 1;
    if (o.coalesce && ::setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &one, sizeof one) != 0)
        fail("the system cannot coalesce datagrams for ");
    if (o.icmp_errors.value_or(connects)) {
        ::setsockopt(fd.get(), IPPROTO_IP, IP_RECVERR, &one, sizeof one);
        if (address.address().is_v6())
            ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
    }
    const auto size = static_cast<socklen_t>(address.size());
    if (connects) {
        if (::connect(fd.get(), address.data(), size) != 0) fail("cannot connect to ");
    } else if (::bind(fd.get(), address.data(), size) != 0) {
        fail("cannot bind to ");
    }
    return fd;
}

}  // namespace

struct socket::state {
    state(asio::any_io_executor executor, file_descriptor fd, const options& o,
          std::optional<endpoint> p)
        : ready(std::move(executor), std::move(fd)), pace(o.pace), peer(p) {}

    /// What the system says with an error, and what its queue of errors knows about it.
    failure error(int code, const char* what, std::size_t size = 0) const {
        failure f = code == EMSGSIZE
                        ? failure(failure_kind::invalid_input, system_code(code),
                                  "a datagram of " + std::to_string(size) + " bytes is too large")
                              .with("size", static_cast<long long>(size))
                        : failure::from(system_code(code), what);
        const auto told = net::detail::take_icmp_error(ready.fd());
        if (told) {
            f = std::move(f).with("icmp", told->what);
            if (!peer && told->about) f = std::move(f).with("address", to_string(*told->about));
        }
        if (peer) f = std::move(f).with("address", to_string(*peer));
        return f;
    }

    net::detail::readiness ready;
    std::optional<io::bandwidth> pace;
    std::optional<endpoint> peer;
};

socket::socket(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
socket::socket(socket&&) noexcept = default;
socket& socket::operator=(socket&&) noexcept = default;
socket::~socket() = default;

socket::socket(asio::any_io_executor executor, std::string_view address, const options& o)
    : socket(std::move(executor), parse_endpoint(address), o) {}

socket::socket(asio::any_io_executor executor, const endpoint& address, const options& o)
    : state_(std::make_unique<state>(std::move(executor), open_socket(address, o, false), o,
                                     std::nullopt)) {}

socket socket::connected(asio::any_io_executor executor, const endpoint& peer, const options& o) {
    return socket(
        std::make_unique<state>(std::move(executor), open_socket(peer, o, true), o, peer));
}

endpoint socket::local_endpoint() const { return net::detail::own_name(native_socket()).ip(); }
const std::optional<endpoint>& socket::peer() const noexcept { return state_->peer; }
asio::any_io_executor socket::get_executor() const { return state_->ready.executor(); }
int socket::native_socket() const noexcept { return state_->ready.fd(); }
void socket::close() noexcept { state_->ready.close(); }

awaitable<received> socket::receive(asio::mutable_buffer buffer, std::source_location where) {
    slot one{buffer};
    co_await receive_batch({&one, 1}, where);
    co_return one.result;
}

awaitable<std::size_t> socket::receive_batch(std::span<slot> slots, std::source_location where) {
    state& s = *state_;
    slots = slots.first(std::min(slots.size(), max_batch));
    if (slots.empty()) co_return 0;
    std::size_t count = 0;
    auto failed = [&s](int error) { return s.error(error, "cannot receive a datagram"); };
    if (slots.size() == 1) {
        auto call = [&slots](int fd) {
            net::detail::inward message(slots[0]);
            const ssize_t n = ::recvmsg(fd, &message.header, MSG_DONTWAIT | MSG_TRUNC);
            if (n >= 0) message.finish(slots[0], static_cast<std::size_t>(n));
            return n;
        };
        co_await net::detail::when_ready(&s.ready, descriptor::input, "receive", &call, &failed,
                                         where);
        count = 1;
    } else {
        auto call = [&slots](int fd) {
            net::detail::inward_batch messages(slots);
            const int n =
                ::recvmmsg(fd, messages.headers.data(), static_cast<unsigned>(slots.size()),
                           MSG_DONTWAIT | MSG_TRUNC, nullptr);
            if (n > 0) messages.finish(slots.first(static_cast<std::size_t>(n)));
            return n;
        };
        count = co_await net::detail::when_ready(&s.ready, descriptor::input, "receive", &call,
                                                 &failed, where);
    }
    co_return count;
}

awaitable<void> socket::send(asio::const_buffer data, std::source_location where) {
    const outgoing one{data};
    co_await send_batch({&one, 1}, where);
}

awaitable<void> socket::send_to(asio::const_buffer data, const endpoint& to,
                                std::source_location where) {
    return [](socket* self, outgoing one, std::source_location at) -> awaitable<void> {
        co_await self->send_batch({&one, 1}, at);
    }(this, outgoing{data, to}, where);
}

awaitable<void> socket::send_batch(std::span<const outgoing> batch, std::source_location where) {
    state& s = *state_;
    std::size_t sent = 0;
    std::size_t size = 0;     // of what is being sent
    bool by_hand = false;     // the device cannot cut datagrams
    std::size_t cut_off = 0;  // of the entry that is cut by hand: bytes that went
    auto failed = [&](int error) {
        return s.error(error, "cannot send a datagram", size)
            .with("sent", static_cast<long long>(sent));
    };
    auto call = [&](int fd) -> ssize_t {
        if (by_hand) {
            net::detail::outward message(net::detail::piece_of(batch[sent], cut_off));
            return ::sendmsg(fd, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        const auto rest = batch.subspan(sent, std::min(batch.size() - sent, max_batch));
        ssize_t n = 1;
        if (rest.size() == 1 || s.pace) {
            net::detail::outward message(rest[0]);
            if (::sendmsg(fd, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) n = -1;
        } else {
            net::detail::outward_batch messages(rest);
            n = ::sendmmsg(fd, messages.headers.data(), static_cast<unsigned>(rest.size()),
                           MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        if (n >= 0 || errno != EIO || rest[0].segment == 0) return n;
        by_hand = true;  // no checksums in the device, so it cannot cut (udp(7))
        return 0;
    };
    while (sent < batch.size()) {
        const outgoing& next = batch[sent];
        size = next.segment > 0 ? std::min(next.segment, next.data.size()) : next.data.size();
        if (!next.to && !s.peer)
            throw failure(failure_kind::invalid_input,
                          "a datagram without an address, on a socket that is not connected")
                .with("sent", static_cast<long long>(sent));
        if (s.pace && !by_hand) co_await s.pace->acquire(next.data.size(), where);
        const std::size_t n = co_await net::detail::when_ready(&s.ready, descriptor::output, "send",
                                                               &call, &failed, where);
        if (!by_hand) {
            sent += n;
            continue;
        }
        // The answer to the first call was only that it has to be done by hand.
        if (n > 0 || next.data.size() == 0) cut_off += n;
        if (cut_off >= next.data.size()) {
            by_hand = false;
            cut_off = 0;
            ++sent;
        }
    }
}

awaitable<socket> connect(std::string host, std::uint16_t port, options o) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    error_code no_address;
    asio::ip::address address = asio::ip::make_address(host, no_address);
    if (no_address) {
        std::optional<failure> unknown;
        try {
            const auto found = co_await net::detail::resolve(host);
            address = found.front();
        } catch (const failure& f) {
            unknown = f;
        }
        if (unknown)
            throw std::move(*unknown)
                .with("host", host)
                .with("port", port)
                .in(failure_domain::transport)
                .delivered(delivery::not_sent);
    }
    co_return socket::connected(serialized(executor), endpoint(address, port), o);
}

}  // namespace weft::net::udp
