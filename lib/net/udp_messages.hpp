// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/endpoint.hpp>
#include <weft/net/udp.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

// Datagrams as recvmsg and sendmsg want them, and back. Pinned: they point into themselves.

namespace weft::net::detail {

/// Room for the control message of UDP_GRO (an int) or UDP_SEGMENT (16 bits).
struct segment_control {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

struct inward {
    inward() noexcept = default;  // NOLINT: filled by prepare
    explicit inward(const udp::slot& s) noexcept { prepare(header, s); }
    inward(const inward&) = delete;
    inward& operator=(const inward&) = delete;

    void prepare(msghdr& h, const udp::slot& s) noexcept;
    /// `size` is the datagram's, also when it was truncated.
    static void finish(msghdr& h, udp::slot& s, const sockaddr_storage& from,
                       std::size_t size) noexcept;
    void finish(udp::slot& s, std::size_t size) noexcept { finish(header, s, from, size); }

    msghdr header{};
    iovec part;
    sockaddr_storage from;
    segment_control control;
};

struct inward_batch {
    explicit inward_batch(std::span<const udp::slot> slots) noexcept;
    void finish(std::span<udp::slot> filled) noexcept;

    std::array<inward, udp::max_batch> messages;
    std::array<mmsghdr, udp::max_batch> headers;
};

struct outward {
    outward() noexcept = default;  // NOLINT: filled by prepare
    explicit outward(const udp::outgoing& o) noexcept { prepare(header, o); }
    outward(const outward&) = delete;
    outward& operator=(const outward&) = delete;

    void prepare(msghdr& h, const udp::outgoing& o) noexcept;

    msghdr header{};
    iovec part;
    endpoint to;
    segment_control control;
};

struct outward_batch {
    explicit outward_batch(std::span<const udp::outgoing> batch) noexcept;

    std::array<outward, udp::max_batch> messages;
    std::array<mmsghdr, udp::max_batch> headers;
};

/// The datagram of an entry with segments that begins at `offset`.
udp::outgoing piece_of(const udp::outgoing& o, std::size_t offset) noexcept;

/// What an ICMP error said, from the socket's queue of errors (ip(7), IP_RECVERR).
struct icmp_error {
    std::string what;               ///< "port unreachable (type 3 code 3) from 192.0.2.1"
    std::optional<endpoint> about;  ///< where the datagram was sent to
};

/// The oldest, and empties the queue.
std::optional<icmp_error> take_icmp_error(int socket);

}  // namespace weft::net::detail
