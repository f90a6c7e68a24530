// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/tls/server_config.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>

namespace weft::http::detail {

/// The TLS handshakes that a server has under way: a drain and relief reach them as they reach its
/// connections.
///
///     if (auto inside = co_await under_way->accept(std::move(connection), config)) ...
///
/// Thread-safe; the lock is taken once when a handshake begins and once when it ends.
class handshakes {
  public:
    /// tls::accept; empty when the handshake was given up here.
    awaitable<std::optional<io::stream>> accept(io::stream connection, tls::server_config config);

    /// Who has connected and says nothing is given the rest of a second to begin; who has begun may
    /// finish.
    void drain();
    /// Gives up handshakes that take longer than a second, at most so many, the oldest first: those
    /// of who has said nothing yet, or of who has. How many.
    std::size_t relieve(std::size_t most, bool heard);

  private:
    class one;
    class entry;

    std::mutex mutex_;
    std::list<std::shared_ptr<one>> all_;  // the oldest first
    bool draining_ = false;
};

}  // namespace weft::http::detail
