// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "../io/shutdown_hooks.hpp"
#include "descriptor.hpp"
#include "socket_file.hpp"
#include "tcp_stream.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/io/stream.hpp>
#include <weft/net/listen_socket.hpp>
#include <weft/runtime/deadlines.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <source_location>

namespace weft::net::detail {

/// What a listener is behind its handle. Lives on one executor: everything runs there, unless it
/// says otherwise.
class acceptor final : public std::enable_shared_from_this<acceptor>,
                       private descriptor,
                       private io::detail::shutdown_hooks::hook {
  public:
    using error_code = io::error_code;
    using handler = boost::asio::any_completion_handler<void(error_code, io::stream)>;

    /// On `executor`, or a strand on it; see net::listener.
    static std::shared_ptr<acceptor> make(boost::asio::any_io_executor executor,
                                          listen_socket socket, std::size_t max_connections);

    acceptor(boost::asio::any_io_executor executor, std::size_t max_connections,
             listen_socket socket);
    ~acceptor();

    [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept {
        return executor_;
    }
    [[nodiscard]] const any_endpoint& local() const noexcept { return local_; }
    [[nodiscard]] std::size_t live() const noexcept {
        return live_.load(std::memory_order_relaxed);
    }

    /// From anywhere.
    awaitable<io::stream> accept(std::source_location where);

    /// A connection without waiting, when nothing speaks against it; an empty stream otherwise.
    io::stream take_now();
    void start(handler h);
    void begin_closing();
    /// See net::listener. Before the first accept.
    void on_exhausted(std::function<void()> relieve) { relieve_ = std::move(relieve); }
    /// The listener is gone.
    void finish() noexcept;
    /// From any thread: a connection ended.
    void released() noexcept;

  private:
    enum class accepted : unsigned char { stream, nothing, exhausted, failed };
    struct waiter {
        waiter(std::uint64_t n, handler h, boost::asio::any_completion_executor e)
            : id(n), complete(std::move(h)), executor(std::move(e)) {}
        std::uint64_t id;
        handler complete;
        boost::asio::any_completion_executor executor;  // kept at work
    };
    /// Connections taken in a row before other work of the executor has its turn: halved as long as
    /// such a turn takes longer than `long_turn`. What makes it long is often the connections
    /// themselves: who has just come asks for much at once.
    static constexpr unsigned most_burst = 16;
    static constexpr unsigned least_burst = 2;
    static constexpr std::chrono::microseconds long_turn{250};
    class permit;
    struct backoff;

    [[nodiscard]] bool full() const noexcept {
        return max_connections_ > 0 && live() >= max_connections_;
    }
    void on_ready(bool input, bool output) override;
    void on_shutdown() noexcept override;
    void on_context_shutdown() noexcept override;
    void go_on();
    [[nodiscard]] bool somebody_waits() const noexcept;
    void rest();
    void stop_listening() noexcept;
    accepted take(io::stream& s, error_code& ec);
    accepted admit(int number, const endpoint& peer, io::stream& s);
    void complete_front(error_code ec, io::stream s);
    void complete(waiter w, error_code ec, io::stream s);
    void cancel_waiter(std::uint64_t id);

    const std::size_t max_connections_;
    const any_endpoint local_;
    const std::shared_ptr<listening> shared_;
    const boost::asio::any_io_executor executor_;
    boost::asio::any_io_executor base_;  // for strands, where connections get one each
    context_info& info_;
    std::function<void()> relieve_;
    std::deque<waiter> waiters_;
    std::uint64_t ids_ = 0;
    std::unique_ptr<backoff> backoff_;
    std::atomic<std::size_t> live_{0};
    std::atomic<bool> wants_release_{false};
    unsigned in_a_row_ = 0;
    unsigned burst_ = most_burst;
    clock::time_point turn_began_{};
    bool paused_ = false;   // out of descriptors or memory
    bool resting_ = false;  // backoff_ is armed; relieve_ was called when it was
    bool closing_ = false;  // drain, then close
    bool probe_ = false;    // try even though no event said so
};

}  // namespace weft::net::detail
