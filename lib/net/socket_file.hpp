// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/listen_socket.hpp>

#include <atomic>
#include <optional>
#include <string>

#include <sys/types.h>

namespace weft::net::detail {

/// The file of a Unix socket that listens: there from bind on, removed once, and only if it is
/// still the one that we made.
class socket_file {
  public:
    /// For datagrams: bind only.
    static constexpr int no_backlog = -1;

    /// Binds `socket` to `path`, with its permissions, and listens. Throws failure that names the
    /// address.
    socket_file(int socket, const std::string& path, int backlog,
                const socket_file_options& options);
    /// Of a socket that was taken over: what is there now, not ours yet.
    explicit socket_file(const std::string& path);
    socket_file(const socket_file&) = delete;
    socket_file& operator=(const socket_file&) = delete;
    ~socket_file() { remove(); }

    void remove() noexcept;
    void own() noexcept { ours_ = inode_ != 0; }
    /// Somebody else's from now on.
    void leave() noexcept { ours_ = false; }

  private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    std::atomic<bool> ours_{false};
};

/// What a listening socket, its duplicates and its listeners share.
struct listening {
    std::atomic<bool> handed_over{false};
    std::optional<socket_file> file;
    /// Of a Unix socket, whose connections do not get them from the listener.
    std::optional<socket_options> for_each = {};
    /// Of a TCP socket: what waits to be sent is bounded as served_notsent_lowat says.
    bool begins_small = false;
};

}  // namespace weft::net::detail
