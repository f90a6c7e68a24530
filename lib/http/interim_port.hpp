// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/interim.hpp>
#include <weft/http/request.hpp>

#include <cstdint>
#include <memory>

namespace weft::http::detail {

/// A server's connection, as its requests know it: each has a number there.
class interim_port {
  public:
    /// Sends it when that exchange still waits for its answer. From any thread: `self`, which may be
    /// the last reference, goes to the connection's executor.
    virtual void send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                              response_head head) = 0;

  protected:
    ~interim_port() = default;
    static void number(request& r, std::uint32_t exchange) noexcept { r.exchange_ = exchange; }
};

/// In the extensions of the connection.
struct interim_link {
    std::weak_ptr<interim_port> port;
};

/// A client's: tells who asked of an interim response.
void tell_interim(const request& r, const response_head& head);

}  // namespace weft::http::detail
