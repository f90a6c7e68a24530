// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// recv and send on the way of every request. The C library's are cancellation points, and each such
// call costs some 30 ns as soon as the program has a second thread: two atomic exchanges for
// pthread_cancel, which no program that runs coroutines uses. These are the same calls without.
// Sanitizers know the library's only.

#include <cstddef>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define WEFT_PLAIN_SYSTEM_CALLS 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_PLAIN_SYSTEM_CALLS 0
#endif
#if !defined(WEFT_PLAIN_SYSTEM_CALLS) && defined(SYS_recvfrom) && defined(SYS_sendto)
#define WEFT_PLAIN_SYSTEM_CALLS 1
#endif

namespace weft::net::detail {

/// As recv(2).
inline ssize_t receive(int socket, void* data, std::size_t size, int flags) noexcept {
#if WEFT_PLAIN_SYSTEM_CALLS
    return ::syscall(SYS_recvfrom, socket, data, size, flags, nullptr, nullptr);
#else
    return ::recv(socket, data, size, flags);
#endif
}

/// As send(2).
inline ssize_t send(int socket, const void* data, std::size_t size, int flags) noexcept {
#if WEFT_PLAIN_SYSTEM_CALLS
    return ::syscall(SYS_sendto, socket, data, size, flags, nullptr, 0);
#else
    return ::send(socket, data, size, flags);
#endif
}

}  // namespace weft::net::detail
