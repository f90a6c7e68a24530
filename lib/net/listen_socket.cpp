// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "inherited.hpp"
#include "set_options.hpp"
#include "socket_file.hpp"
#include "unix_address.hpp"
#include <weft/core/failure.hpp>
#include <weft/net/listen_socket.hpp>

#include <boost/asio/ip/address.hpp>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace weft::net {

namespace ip = boost::asio::ip;

namespace {

constexpr int stream_type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

[[noreturn]] void fail(int error, const any_endpoint& address) {
    throw failure::from(boost::system::error_code(error, boost::system::system_category()),
                        "cannot listen on " + to_string(address))
        .with("address", to_string(address));
}

file_descriptor listen_on_tcp(endpoint address, const listen_options& options) {
    const bool any = address.address().is_v6() && address.address().is_unspecified();
    file_descriptor socket(::socket(address.protocol().family(), stream_type, 0));
    if (!socket && any && !options.socket.v6_only && errno == EAFNOSUPPORT) {
        address = endpoint(ip::address_v4::any(), address.port());  // a machine without IPv6
        socket = file_descriptor(::socket(AF_INET, stream_type, 0));
    }
    if (!socket) fail(errno, address);
    const int one = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    // Linux hands them down to the connections that are accepted.
    detail::set_options(socket.get(), options.socket, detail::socket_role::listener);
    if (::bind(socket.get(), address.data(), static_cast<socklen_t>(address.size())) != 0 ||
        ::listen(socket.get(), options.backlog) != 0)
        fail(errno, address);
    return socket;
}

/// What a Unix socket's connections have to be told each by itself.
std::optional<socket_options> for_each(const listen_options& options) {
    if (!options.socket.send_buffer && !options.socket.receive_buffer) return std::nullopt;
    return options.socket;
}

}  // namespace

listen_socket::listen_socket() noexcept = default;
listen_socket::listen_socket(listen_socket&&) noexcept = default;
listen_socket& listen_socket::operator=(listen_socket&&) noexcept = default;
listen_socket::~listen_socket() = default;

listen_socket::listen_socket(std::string_view address, const listen_options& options) {
    if (detail::is_inherited(address))
        adopt(detail::take_inherited(address), options);
    else
        open(parse_any_endpoint(address), options);
}

listen_socket::listen_socket(const any_endpoint& address, const listen_options& options) {
    open(address, options);
}

listen_socket::listen_socket(file_descriptor socket, const listen_options& options) {
    adopt(std::move(socket), options);
}

void listen_socket::open(const any_endpoint& address, const listen_options& options) {
    shared_ = std::make_shared<detail::listening>();
    if (!address.is_unix()) {
        socket_ = listen_on_tcp(address.ip(), options);
        local_ = detail::own_name(socket_.get());
        shared_->begins_small = !options.socket.notsent_lowat;
        return;
    }
    socket_ = file_descriptor(::socket(AF_UNIX, stream_type, 0));
    if (!socket_) fail(errno, address);
    detail::set_options(socket_.get(), options.socket, detail::socket_role::listener);
    shared_->for_each = for_each(options);
    const std::string& path = address.unix_name().path;
    if (!path.starts_with('@')) {
        shared_->file.emplace(socket_.get(), path, options.backlog, options.file);
    } else {
        const detail::unix_address name(address.unix_name());
        if (::bind(socket_.get(), name.data(), name.length) != 0 ||
            ::listen(socket_.get(), options.backlog) != 0)
            fail(errno, address);
    }
    local_ = address;
}

void listen_socket::adopt(file_descriptor socket, const listen_options& options) {
    const auto refuse = [&](const char* why) {
        throw failure(failure_kind::invalid_input,
                      "descriptor " + std::to_string(socket.get()) + " " + why)
            .with("descriptor", socket.get());
    };
    int type = 0;
    int listens = 0;
    socklen_t length = sizeof type;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        refuse("is no socket");
    length = sizeof listens;
    if (type != SOCK_STREAM ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || !listens)
        refuse("is no stream socket that listens");
    ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    detail::set_options(socket.get(), options.socket, detail::socket_role::listening);
    local_ = detail::own_name(socket.get());
    socket_ = std::move(socket);
    shared_ = std::make_shared<detail::listening>();
    if (local_.is_unix()) shared_->for_each = for_each(options);
    shared_->begins_small = !local_.is_unix() && !options.socket.notsent_lowat;
}

listen_socket listen_socket::duplicate() const {
    listen_socket copy;
    copy.socket_ = socket_.duplicate();
    copy.local_ = local_;
    copy.shared_ = shared_;
    return copy;
}

void listen_socket::take_file(const socket_file_options& options) {
    const std::string& path = local_.unix_name().path;
    if (options.remove && !path.empty() && !path.starts_with('@')) shared_->file.emplace(path);
}

void listen_socket::own_file() noexcept {
    if (shared_->file) shared_->file->own();
}

void listen_socket::hand_over() noexcept {
    shared_->handed_over.store(true, std::memory_order_release);
    if (shared_->file) shared_->file->leave();
}

}  // namespace weft::net
