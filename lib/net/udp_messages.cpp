// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "udp_messages.hpp"

#include "unix_address.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <netinet/udp.h>
// After netinet: the kernel's header brings the structures of the queue of errors.
#include <linux/errqueue.h>

namespace weft::net::detail {

void inward::prepare(msghdr& h, const udp::slot& s) noexcept {
    part = {s.buffer.data(), s.buffer.size()};
    h = msghdr{};
    h.msg_iov = &part;
    h.msg_iovlen = 1;
    h.msg_name = &from;
    h.msg_namelen = sizeof from;
    h.msg_control = control.bytes.data();
    h.msg_controllen = control.bytes.size();
}

void inward::finish(msghdr& h, udp::slot& s, const sockaddr_storage& from,
                    std::size_t size) noexcept {
    udp::received& r = s.result;
    r.size = size;
    r.bytes = std::min(size, s.buffer.size());
    r.segment = 0;
    r.from = endpoint();
    if (h.msg_namelen <= r.from.capacity()) {
        std::memcpy(r.from.data(), &from, h.msg_namelen);
        r.from.resize(h.msg_namelen);
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
        int segment = 0;
        std::memcpy(&segment, CMSG_DATA(c), sizeof segment);
        if (segment > 0 && static_cast<std::size_t>(segment) < size)
            r.segment = static_cast<std::size_t>(segment);
    }
}

inward_batch::inward_batch(std::span<const udp::slot> slots) noexcept {
    for (std::size_t i = 0; i < slots.size(); ++i)
        messages[i].prepare(headers[i].msg_hdr, slots[i]);
}

void inward_batch::finish(std::span<udp::slot> filled) noexcept {
    for (std::size_t i = 0; i < filled.size(); ++i)
        inward::finish(headers[i].msg_hdr, filled[i], messages[i].from, headers[i].msg_len);
}

void outward::prepare(msghdr& h, const udp::outgoing& o) noexcept {
    part = {const_cast<void*>(o.data.data()), o.data.size()};
    h = msghdr{};
    h.msg_iov = &part;
    h.msg_iovlen = 1;
    if (o.to) {
        to = *o.to;
        h.msg_name = to.data();
        h.msg_namelen = static_cast<socklen_t>(to.size());
    }
    if (o.segment == 0 || o.segment >= o.data.size()) return;
    control.bytes.fill(0);
    h.msg_control = control.bytes.data();
    h.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* const c = CMSG_FIRSTHDR(&h);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(std::min<std::size_t>(o.segment, 65535));
    std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
}

outward_batch::outward_batch(std::span<const udp::outgoing> batch) noexcept {
    for (std::size_t i = 0; i < batch.size(); ++i)
        messages[i].prepare(headers[i].msg_hdr, batch[i]);
}

udp::outgoing piece_of(const udp::outgoing& o, std::size_t offset) noexcept {
    udp::outgoing piece = o;
    piece.data += offset;
    piece.data = {piece.data.data(), std::min(piece.data.size(), o.segment)};
    piece.segment = 0;
    return piece;
}

namespace {

const char* name_of(const sock_extended_err& e) noexcept {
    // RFC 792 and RFC 4443.
    if (e.ee_origin == SO_EE_ORIGIN_ICMP && e.ee_type == 3) {
        switch (e.ee_code) {
            case 0:
                return "network unreachable";
            case 1:
                return "host unreachable";
            case 3:
                return "port unreachable";
            case 4:
                return "too big";
            default:
                return "unreachable";
        }
    }
    if (e.ee_origin == SO_EE_ORIGIN_ICMP6 && e.ee_type == 1)
        return e.ee_code == 4 ? "port unreachable" : "unreachable";
    if (e.ee_origin == SO_EE_ORIGIN_ICMP6 && e.ee_type == 2) return "too big";
    return "error";
}

std::optional<icmp_error> describe(const cmsghdr* c, const any_address& about) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) return std::nullopt;
    sock_extended_err e{};
    std::memcpy(&e, CMSG_DATA(c), sizeof e);
    if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6) return std::nullopt;
    icmp_error told;
    told.what = std::string(name_of(e)) + " (type " + std::to_string(e.ee_type) + " code " +
                std::to_string(e.ee_code) + ")";
    // Who said so stands behind it.
    any_address offender;
    offender.length = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (c->cmsg_len >= CMSG_LEN(sizeof e + offender.length)) {
        std::memcpy(&offender.room, CMSG_DATA(c) + sizeof e, offender.length);
        if (offender.any.sa_family == AF_INET || offender.any.sa_family == AF_INET6)
            told.what += " from " + offender.endpoint().address().to_string();
    }
    if (about.any.sa_family == AF_INET || about.any.sa_family == AF_INET6)
        told.about = about.endpoint().ip();
    return told;
}

}  // namespace

std::optional<icmp_error> take_icmp_error(int socket) {
    std::optional<icmp_error> oldest;
    for (int i = 0; i < 64; ++i) {
        alignas(cmsghdr) std::array<char, 512> control;
        any_address about;
        char first_byte = 0;
        iovec part{&first_byte, 1};
        msghdr h{};
        h.msg_iov = &part;
        h.msg_iovlen = 1;
        h.msg_name = &about.room;
        h.msg_namelen = sizeof about.room;
        h.msg_control = control.data();
        h.msg_controllen = control.size();
        if (::recvmsg(socket, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
        about.length = h.msg_namelen;
        for (cmsghdr* c = CMSG_FIRSTHDR(&h); c && !oldest; c = CMSG_NXTHDR(&h, c))
            oldest = describe(c, about);
    }
    return oldest;
}

}  // namespace weft::net::detail
