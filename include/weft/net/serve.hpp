// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/any_service.hpp>
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/core/per_core.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/listen_socket.hpp>
#include <weft/net/socket_options.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace weft::net {

struct serve_options {
    /// Once cancelled: how long connections may take to finish what they are at.
    std::chrono::milliseconds drain = std::chrono::seconds(10);
    /// Called once it listens, with the real port. (A function of a net::endpoint will do where it
    /// listens to TCP.)
    std::function<void(const any_endpoint&)> on_listening = {};
    /// What a connection's service threw; the default writes one line to stderr.
    std::function<void(const failure&)> on_failure = {};
    /// Connections that may live at once, on all cores together; then accepting waits. Zero: no
    /// limit.
    std::size_t max_connections = 0;
    /// Connections that the operating system holds until they are accepted.
    int backlog = 4096;
    /// What the system is told about the sockets: the listener's and its connections'.
    socket_options socket = {};
    /// Of a Unix socket with a path: who may connect.
    socket_file_options file = {};
};

namespace detail {

/// What one core serves with: its service, and how that is told to come to an end.
struct core_service {
    any_service<io::stream, void> serve;
    std::function<void()> drain = {};
    /// Closes some connections that do nothing, because others cannot come in.
    std::function<void()> relieve = {};
};
using core_factory = std::function<core_service()>;

/// A listener of any kind.
class any_acceptor {
  public:
    any_acceptor() = default;
    any_acceptor(const any_acceptor&) = delete;
    any_acceptor& operator=(const any_acceptor&) = delete;
    virtual ~any_acceptor() = default;
    virtual awaitable<io::stream> accept() = 0;
    virtual void close() noexcept = 0;
    virtual void on_exhausted(std::function<void()>) {}
};

template <class Listener>
class acceptor_of final : public any_acceptor {
  public:
    explicit acceptor_of(Listener l) : listener_(std::move(l)) {}
    awaitable<io::stream> accept() override { return listener_.accept(); }
    void close() noexcept override { listener_.close(); }
    void on_exhausted([[maybe_unused]] std::function<void()> relieve) override {
        if constexpr (requires { listener_.on_exhausted(std::move(relieve)); })
            listener_.on_exhausted(std::move(relieve));
    }

  private:
    Listener listener_;
};

awaitable<void> serve(std::string address, core_factory make, serve_options options);
awaitable<void> serve(listen_socket socket, core_factory make, serve_options options);
awaitable<void> serve(std::unique_ptr<any_acceptor> from, core_factory make, serve_options options);

template <class Service>
core_factory each_core(Service service) {
    if constexpr (is_per_core<Service>)
        return [service = std::move(service)] { return core_service{service.make()}; };
    else
        return [service = any_service<io::stream, void>(std::move(service))] {
            return core_service{service};
        };
}

}  // namespace detail

/// What connections come from: `accept()` gives the next one, or an empty stream once `close()` was
/// called and nothing is left. net::listener is one, testing::network has one.
template <class T>
concept stream_listener = requires(T& l) {
    { l.accept() } -> std::same_as<awaitable<io::stream>>;
    l.close();
};

/// Serves a service of streams on an address: "127.0.0.1:8080", "[::1]:0", ":80" (all addresses),
/// "unix:/run/app.sock", or a socket that this process was started with, "systemd:NAME"
/// (listen_socket.hpp has them all).
///
///     auto greet = [](io::stream s) -> awaitable<void> {
///         co_await s.write(bytes::literal("hello"));
///     };
///     return weft::run(net::serve("127.0.0.1:7", greet));
///
/// On a weft::runtime each core listens to a TCP address for itself (SO_REUSEPORT) and a connection
/// stays on the core that accepted it; the cores share one queue of a Unix socket. `service` is
/// shared by the cores, unless it is a per_core. On any other executor there is one listener, and
/// each connection has a strand of its own where the executor is not serial. A connection whose
/// service throws is closed and told to `on_failure`.
///
/// Runs until it is cancelled. Then it takes what the system has accepted already, stops listening,
/// gives connections `drain` to come to their end, cancels the rest, and completes normally. Throws
/// failure when the address cannot be bound or the listener breaks.
template <class Service>
awaitable<void> serve(std::string address, Service service, serve_options options = {}) {
    return detail::serve(std::move(address), detail::each_core(std::move(service)),
                         std::move(options));
}

/// The same on a socket that listens already, whose queue all cores share: one that was inherited,
/// or is handed on to the next process (handover.hpp). The options `backlog`, `socket` and `file`
/// were its opener's.
template <class Service>
awaitable<void> serve(listen_socket socket, Service service, serve_options options = {}) {
    return detail::serve(std::move(socket), detail::each_core(std::move(service)),
                         std::move(options));
}

/// The same with a listener of any kind, on the core that awaits this. Of the options, `backlog`,
/// `max_connections`, `on_listening`, `socket` and `file` are the listener's own affair.
template <stream_listener Listener, class Service>
awaitable<void> serve(Listener from, Service service, serve_options options = {}) {
    return detail::serve(std::make_unique<detail::acceptor_of<Listener>>(std::move(from)),
                         detail::each_core(std::move(service)), std::move(options));
}

}  // namespace weft::net
