// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "kernel_sender.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282  // <linux/socket.h>; the C library has it since 2.39
#endif

namespace weft::tls::detail {

namespace {

/// BIO_CTRL_SET_KTLS_TX_SEND_CTRL_MSG, which <openssl/bio.h> has in a comment: of which kind the
/// next record is.
constexpr int next_record_is = 74;

/// Nothing changes on the socket until it gets keys. EEXIST: an earlier session has done it.
bool enable(int socket) noexcept {
    return ::setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 || errno == EEXIST;
}

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

std::unique_ptr<kernel_sender> kernel_sender::of(const io::stream_impl& below) {
    const int socket = below.kernel_tls_socket();
    if (socket < 0 || !enable(socket)) return nullptr;
    return std::unique_ptr<kernel_sender>(new kernel_sender(below, socket));
}

kernel_sender::kernel_sender(const io::stream_impl& below, int socket)
    : below_(below), socket_(socket), bio_(BIO_new_socket(socket, BIO_NOCLOSE)) {
    if (!bio_) throw std::bad_alloc();
}

bool kernel_sender::has_room() const noexcept {
    if (!is_there()) return true;
    pollfd output{socket_, POLLOUT, 0};
    return ::poll(&output, 1, 0) != 0;
}

long kernel_sender::control(int command, long number, void* pointer) noexcept {
    if (command != BIO_CTRL_GET_KTLS_SEND && !is_there()) return 0;
    if (command == next_record_is) {
        kind_ = static_cast<unsigned char>(number);
        return 0;  // as the socket's own says
    }
    return BIO_ctrl(bio_.get(), command, number, pointer);
}

void kernel_sender::pass(byte_queue& encrypted) const noexcept {
    while (!encrypted.empty() && is_there()) {
        const ssize_t n =
            ::send(socket_, encrypted.data(), encrypted.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return;  // the connection's own stream comes to the same, and says so
        encrypted.consume(static_cast<std::size_t>(n));
    }
}

kernel_sender::outcome kernel_sender::send(const char* record, std::size_t size) noexcept {
    if (!kind_) return outcome::refused;
    alignas(cmsghdr) char told[CMSG_SPACE(sizeof *kind_)] = {};
    iovec bytes{const_cast<char*>(record), size};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = told;
    message.msg_controllen = sizeof told;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(sizeof *kind_);
    std::memcpy(CMSG_DATA(header), &*kind_, sizeof *kind_);
    while (is_there()) {
        if (::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) continue;
            if (would_block()) return outcome::blocked;
        }
        break;
    }
    kind_.reset();
    return outcome::sent;
}

}  // namespace weft::tls::detail
