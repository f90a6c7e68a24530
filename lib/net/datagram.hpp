// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "readiness.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>

#include <boost/asio/error.hpp>

#include <cerrno>
#include <cstddef>
#include <source_location>
#include <utility>

#include <sys/socket.h>

namespace weft::net::detail {

/// What the datagram sockets of all families have in common: a system call, again when it can be
/// done. A failed call is asked `failed(errno)` of, which makes the failure to throw.
///
/// Call, ErrorOf: callables that live in the frame of the coroutine which awaits this.
template <class Call, class ErrorOf>
awaitable<std::size_t> when_ready(readiness* ready, descriptor::direction d, const char* what,
                                  Call* call, ErrorOf* failed, std::source_location where) {
    for (;;) {
        if (ready->fd() < 0) throw failure::from(boost::asio::error::operation_aborted, "closed");
        if (ready->ready(d)) {
            const auto n = (*call)(ready->fd());
            if (n >= 0) co_return static_cast<std::size_t>(n);
            const int error = errno;
            if (error == EINTR) continue;
            if (error != EAGAIN && error != EWOULDBLOCK) throw(*failed)(error);
            ready->exhausted(d);
        }
        co_await ready->wait(d, what, where);
    }
}

}  // namespace weft::net::detail
