// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/runtime/context.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>

namespace weft::net::detail {

class reactor;
class asio_waits;

/// A non-blocking file descriptor, what is known of its readiness, and one wait in each direction.
///
/// Whoever owns it tries the system call only while `ready(d)`; a call that said EAGAIN, or did
/// less than was asked, reports `exhausted(d)`, and the next step is `wait(d)`: `on_ready` is
/// called once, later, on the executor. So a keep-alive connection costs no call that is known to
/// fail.
///
/// Two ways to wait. In a context that one thread runs: the context's own small epoll
/// (reactor.hpp), edge-triggered and registered once. In any other: Asio's stream_descriptor.
/// Pinned; all calls on the executor.
class descriptor {
  public:
    enum direction : unsigned char { input, output };
    enum event : unsigned char {
        may_read = 1,
        may_write = 2,
        ending = 4  ///< end of file or an error lies ahead: a short read does not mean "drained"
    };

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool ready(direction d) const noexcept { return (events_ & bit(d)) != 0; }
    void exhausted(direction d) noexcept { events_ &= static_cast<std::uint8_t>(~bit(d)); }
    [[nodiscard]] bool is_ending() const noexcept { return (events_ & ending) != 0; }

    /// on_ready comes on the executor itself (Asio's way), not only on its context.
    [[nodiscard]] bool calls_on_executor() const noexcept { return asio_ != nullptr; }

    void wait(direction d);
    void cancel(direction d) noexcept;
    [[nodiscard]] bool waiting(direction d) const noexcept { return (waits_ & bit(d)) != 0; }
    /// Closes it; waits are forgotten. With `reset`, a TCP peer sees connection_reset.
    void close(bool reset = false) noexcept;

  protected:
    /// Takes the descriptor over, also when it throws.
    descriptor(const boost::asio::any_io_executor& executor, context_info& info, int fd);
    ~descriptor();

    /// A wait is over. Both bits may be set, when both directions waited. Last thing that the
    /// caller does with this.
    virtual void on_ready(bool input, bool output) = 0;
    /// The context goes away, or can wait for nothing more: abandon what is pending. May free this.
    virtual void on_shutdown() noexcept = 0;

  private:
    friend class reactor;
    friend class asio_waits;

    static constexpr std::uint8_t bit(direction d) noexcept {
        return static_cast<std::uint8_t>(1u << d);
    }
    void happened(std::uint8_t events);

    int fd_;
    std::uint8_t events_;     // a set of `event`
    std::uint8_t waits_ = 0;  // a set of may_read, may_write
    std::uint32_t slot_ = 0;  // in the reactor
    reactor* reactor_ = nullptr;
    std::shared_ptr<asio_waits> asio_;
    live_token counted_;
};

}  // namespace weft::net::detail
