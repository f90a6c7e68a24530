// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::http::detail {

/// What a server knows of its connections, whatever version of HTTP they speak.
class server_connection {
  public:
    server_connection() = default;
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;
    virtual ~server_connection() = default;

    /// Ends after what it is at. From any thread.
    virtual void drain() = 0;
};

}  // namespace weft::http::detail
