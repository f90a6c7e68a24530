// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../tls/handshake.hpp"
#include <weft/io/stream.hpp>

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

namespace weft::http::detail {

/// The TLS handshakes that a server has under way: a drain and relief reach them as they reach its
/// connections.
///
///     const handshakes::entry listed(*under_way, connection);
///     auto inside = co_await tls::detail::accept(std::move(connection), config, listed.watch());
///
/// Thread-safe; the lock is taken once when a handshake begins and once when it ends.
class handshakes {
  public:
    class entry;

    /// Who has connected and says nothing is given the rest of a second to begin; who has begun may
    /// finish.
    void drain();
    /// Gives up handshakes that take longer than a second, at most so many, the oldest first: those
    /// of who has said nothing yet, or of who has. How many.
    std::size_t relieve(std::size_t most, bool heard);

  private:
    class one;

    std::mutex mutex_;
    std::list<std::shared_ptr<one>> all_;  // the oldest first
    bool draining_ = false;
};

/// Lists a handshake for as long as it lasts.
class handshakes::entry {
  public:
    entry(handshakes& all, const io::stream& connection);
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    ~entry();

    [[nodiscard]] tls::detail::handshake_watch& watch() const noexcept;
    /// It was given up here: that it failed is no news.
    [[nodiscard]] bool given_up() const noexcept;

  private:
    handshakes& all_;
    std::list<std::shared_ptr<one>>::iterator at_;
};

}  // namespace weft::http::detail
