// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/net/endpoint.hpp>
#include <weft/net/file_descriptor.hpp>
#include <weft/net/socket_options.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace weft::net {

namespace detail {
struct listening;
}

/// The file of a Unix socket that listens on a path.
struct socket_file_options {
    /// Who may connect (connecting takes write permission), whatever the umask is. The default is
    /// this user only; 0660 lets a group in, 0666 everybody on the machine.
    unsigned permissions = 0600;
    /// Takes the place of a socket that nobody listens to any more: what a server leaves behind
    /// when it is killed. A socket that answers, or a file that is no socket, is never touched:
    /// listening then fails.
    bool replace_stale = true;
    /// Removes the file when it stops listening, if it is still ours.
    bool remove = true;
};

struct listen_options {
    /// Connections that the operating system holds for us before they are accepted; it may hold
    /// fewer.
    int backlog = 4096;
    /// Connections of this listener that may live at once; then accepting waits for one to close.
    /// Zero: no limit.
    std::size_t max_connections = 0;
    /// What the system is told about the socket and its connections.
    socket_options socket = {};
    /// Of a Unix socket with a path.
    socket_file_options file = {};
};

/// A socket that is bound and listens, before anyone accepts from it: what a listener is made of,
/// and what one process hands to another.
///
///     net::listen_socket web("0.0.0.0:8080");
///     net::listen_socket admin("unix:/run/app/admin.sock", {.file = {.permissions = 0660}});
///     net::listen_socket given("systemd:web");            // LISTEN_FDS, LISTEN_FDNAMES
///     return weft::run(http::serve(std::move(web), app));
///
/// Connections that come meanwhile wait in the system's queue. Move-only, not bound to an executor.
class listen_socket {
  public:
    /// None.
    listen_socket() noexcept;
    /// Opens, binds and listens. `address` is one of
    /// - "192.0.2.1:80", "[::1]:443", ":8080", "localhost:0": TCP (parse_endpoint);
    /// - "unix:/run/app.sock", "unix:@name": a Unix socket;
    /// - "systemd:NAME": the socket of that name that this process was started with, or the only
    /// one
    ///   for an empty NAME (inherited.hpp); "fd:N": the listening socket with number N. Each can be
    ///   taken once.
    ///
    /// Throws failure that names the address.
    explicit listen_socket(std::string_view address, const listen_options& options = {});
    explicit listen_socket(const any_endpoint& address, const listen_options& options = {});
    /// Takes over a socket that listens already, and applies the options that may be changed later.
    /// Throws failure, kind invalid_input, when it is no listening stream socket; the descriptor is
    /// then closed.
    explicit listen_socket(file_descriptor socket, const listen_options& options = {});
    listen_socket(listen_socket&&) noexcept;
    listen_socket& operator=(listen_socket&&) noexcept;
    /// Closes: what waits in the queue is reset, unless a duplicate or another process shares it.
    ~listen_socket();

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(socket_); }
    /// Where it listens; the port is the real one when 0 was asked for.
    [[nodiscard]] const any_endpoint& local_endpoint() const noexcept { return local_; }
    /// The descriptor's number; this keeps it.
    [[nodiscard]] int native_socket() const noexcept { return socket_.get(); }

    /// The same queue of connections once more, for another core or process: each connection goes
    /// to whoever accepts it first. Throws failure.
    [[nodiscard]] listen_socket duplicate() const;

    /// Another process listens on the same queue from now on, and has the file of a Unix socket to
    /// remove: listeners on this socket or a duplicate that close leave the queue to it. From any
    /// thread.
    void hand_over() noexcept;

    /// The reverse, for a socket that was taken over: `take_file` notes its file, if it has one and
    /// the options say that it is to be removed; from `own_file` on that is this process's duty.
    void take_file(const socket_file_options& options);
    void own_file() noexcept;

    // For listeners.
    [[nodiscard]] file_descriptor take_descriptor() noexcept { return std::move(socket_); }
    [[nodiscard]] const std::shared_ptr<detail::listening>& shared() const noexcept {
        return shared_;
    }

  private:
    void open(const any_endpoint& address, const listen_options& options);
    void adopt(file_descriptor socket, const listen_options& options);

    file_descriptor socket_;
    any_endpoint local_;
    std::shared_ptr<detail::listening> shared_;  // by all duplicates
};

}  // namespace weft::net
