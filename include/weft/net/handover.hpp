// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/net/listen_socket.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

namespace weft::net {

struct handover_options {
    /// How long the process that runs now may take to hand its sockets over; and how long it waits
    /// for its successor to be ready, before it goes on as if nobody had come.
    std::chrono::milliseconds timeout{30'000};
};

/// A restart that no client notices: the new process takes the listening sockets of the one that
/// runs, and only when it serves does the old one stop accepting, finish its connections and end.
///
///     int main() {
///         return weft::run([]() -> awaitable<void> {
///             auto self = co_await net::handover::begin("/run/app/handover.sock");
///             http::serve_options options;
///             options.on_listening = [&](const auto&) { self.ready(); };
///             co_await self.run(http::serve(self.socket("web", "0.0.0.0:8080"), app, options));
///         });
///     }
///
/// Start the new program while the old one runs: that is all. The sockets themselves move (their
/// queues of connections are the system's and shared for a moment), so no connection is refused or
/// reset in between. If the new program fails before it is ready, the old one has lost nothing. The
/// two need not be the same program, nor know the same sockets: a socket is asked for by its name.
///
/// They meet at a Unix socket, `path`, with permissions 0600, and each wants the other to be of its
/// own user, or root. Put it into a directory that belongs to that user.
///
/// Threads: belongs to the coroutine that made it, except ready().
class handover {
  public:
    /// Asks the process that listens at `path` for its sockets; when there is none, this process is
    /// the first and listens there. Throws failure: rejected (another user's process), timeout,
    /// protocol, or what listening throws. Cancelling leaves the running process as it was.
    static awaitable<handover> begin(std::string path, handover_options options = {});

    handover(handover&&) noexcept;
    handover& operator=(handover&&) noexcept;
    /// Closes what it holds. A predecessor that was not told ready() goes on.
    ~handover();

    /// Whether another process ran, and gave its sockets.
    [[nodiscard]] bool took_over() const noexcept;

    /// The listening socket of this name: the predecessor's; else the one of this name that this
    /// process was started with (LISTEN_FDNAMES); else a new one at `address`. It is handed on to a
    /// successor under this name. What address and options say matters to a new one, and to a Unix
    /// socket's file. A name has 1 to 255 bytes and is asked for once. Throws failure.
    [[nodiscard]] listen_socket socket(std::string_view name, std::string_view address,
                                       const listen_options& options = {});

    /// This process serves: its predecessor may stop. Call it when all sockets are listened to,
    /// once run() has begun, or before. From any thread. What the predecessor gave and nobody asked
    /// for is closed.
    void ready() noexcept;

    /// Runs `server` and offers the sockets to a successor. When one is ready, `server` is
    /// cancelled, so that it drains; this completes when it has. Completes too when `server` ends
    /// by itself, and throws what it throws. Cancelled, it cancels `server`, joins it, and its
    /// sockets close as they would without a handover. Once only.
    awaitable<void> run(awaitable<void> server,
                        std::source_location where = std::source_location::current());

    /// Whether a successor took over.
    [[nodiscard]] bool replaced() const noexcept;

  private:
    struct state;
    explicit handover(std::shared_ptr<state> s) noexcept;
    static awaitable<void> run_on(std::shared_ptr<state> s, awaitable<void> server,
                                  std::source_location where);

    std::shared_ptr<state> state_;
};

}  // namespace weft::net
