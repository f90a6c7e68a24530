// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/clock.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace weft::http::detail {

/// What who has just connected, or was answered just now, is given to say something, whoever drains
/// or wants room: a request, or a TLS handshake, is on the way.
inline constexpr std::chrono::milliseconds first_word{1000};

/// What a server knows of its connections, whatever version of HTTP they speak.
class server_connection {
  public:
    server_connection() = default;
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;
    virtual ~server_connection() = default;

    /// Ends after what it is at. From any thread: `self`, which may be the last reference, goes to
    /// the connection's executor, because that is where a connection must die.
    virtual void drain(std::shared_ptr<server_connection> self) = 0;
    /// Since when it waits for a request, in milliseconds of its context's coarse clock; 0: it is
    /// at one. From any thread.
    [[nodiscard]] virtual std::uint64_t idle_since() const noexcept = 0;
    /// That clock, exactly; the coarse one stands while the context has nothing to do.
    [[nodiscard]] virtual const clock& time() const noexcept = 0;
};

}  // namespace weft::http::detail
