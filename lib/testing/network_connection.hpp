// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

// One connection of a testing::network: two ends, and a way for bytes in each direction. Everything
// happens under the core's lock, on whatever thread calls or fires.

#include "network_core.hpp"
#include <weft/core/extensions.hpp>
#include <weft/io/stream_impl.hpp>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/prefer.hpp>

#include <deque>

namespace weft::testing::detail {

/// What travels.
struct network_segment {
    enum class kind : unsigned char { open, data, fin, reset };
    kind what;
    time_point arrives;
    std::string bytes;
};

/// One direction: what is on its way, what has arrived and is unread, and who waits at either end.
struct network_way {
    network_way(network_core& core, std::function<void()> arrival, std::function<void()> give_up)
        : next_arrival(core, std::move(arrival)), gives_up(core, std::move(give_up)) {}

    std::deque<network_segment> flight;
    std::size_t flying = 0;  ///< bytes in `flight`
    std::string arrived;
    std::size_t taken = 0;  ///< of `arrived`, by the reader
    std::uint64_t delivered = 0;
    std::size_t lost = 0;  ///< bytes that are gone for good; their sender still keeps them
    std::size_t unacknowledged = 0;  ///< arrived, but the sender cannot know
    time_point line_free{};          ///< when the bandwidth lets the next byte set out
    time_point last_arrival{};
    bool fin_sent = false;
    bool ended = false;  ///< the reader has, or will have after `arrived`, end of file
    bool truncated = false;
    bool losing = false;
    bool limits_passed = false;  ///< what happens at byte N has happened
    network_timer next_arrival;
    network_timer gives_up;

    io::operation* reader = nullptr;
    io::mutable_buffers into;
    io::operation* writer = nullptr;
    io::const_buffers from;

    [[nodiscard]] std::size_t unread() const noexcept { return arrived.size() - taken; }
    [[nodiscard]] std::size_t held() const noexcept {
        return flying + std::max(unread(), unacknowledged) + lost;
    }
};

class network_end final : public io::stream_impl, public io::detail::shutdown_hooks::hook {
  public:
    network_end(network_connection& of, std::size_t side, boost::asio::any_io_executor executor);
    ~network_end() override = default;

    // Under the lock.

    /// Of an operation that waits no more.
    void complete(io::operation& op, io::error_code ec, std::size_t n);
    /// Frees what waits with `ec`.
    void end_pending(io::error_code ec);
    void leave();

    io::error_code dead;   ///< why nothing goes any more, at this end
    bool aborted = false;  ///< by its owner
    bool gone = false;     ///< the stream was destroyed
    bool orphan = false;   ///< its host has forgotten the connection

  private:
    void start_read(io::mutable_buffers buffers, io::operation& op) override;
    void start_write(io::const_buffers buffers, io::operation& op) override;
    void start_shutdown_send(io::operation& op) override;
    void cancel_read() noexcept override;
    void cancel_write() noexcept override;
    std::size_t try_read(io::mutable_buffers buffers, io::error_code& ec) noexcept override;
    std::size_t try_write(io::const_buffers buffers, io::error_code& ec) noexcept override;
    bool try_shutdown_send(io::error_code& ec) noexcept override;
    void abort() noexcept override;
    void dispose() noexcept override;
    void on_context_shutdown() noexcept override;
    const weft::extensions& extensions() const noexcept override { return extensions_; }
    void wait();

    network_connection& of_;
    const std::size_t side_;
    boost::asio::any_io_executor work_;  // while an operation waits: keeps the context at work
    live_token counted_;
    weft::extensions extensions_{context().deadlines().ticks()};
};

class network_connection {
  public:
    struct party {
        host_id host;
        net::endpoint address;
        boost::asio::any_io_executor executor;
    };
    /// Side 0 is the client. Stands from now on; the server learns of it after one way.
    network_connection(std::shared_ptr<network_core> core, party client, party server);
    network_connection(const network_connection&) = delete;
    network_connection& operator=(const network_connection&) = delete;
    ~network_connection() = default;

    /// The client's stream. Once.
    [[nodiscard]] io::stream client() { return io::stream(&ends_[0]); }

    [[nodiscard]] bool joins(host_id a, host_id b) const noexcept {
        return (parties_[0].host == a && parties_[1].host == b) ||
               (parties_[0].host == b && parties_[1].host == a);
    }
    [[nodiscard]] bool touches(host_id h) const noexcept {
        return parties_[0].host == h || parties_[1].host == h;
    }
    [[nodiscard]] const party& at(std::size_t side) const noexcept { return parties_[side]; }
    [[nodiscard]] network_core& core() const noexcept { return *core_; }

    // Under the lock.

    void conditions_changed();
    void healed();
    void reset_by_network(std::string_view why);
    /// The host has come back without it.
    void forgotten_by(host_id h);
    /// Nobody will accept it any more.
    void abandon_opening();

    std::size_t read(std::size_t side, io::mutable_buffers buffers, io::error_code& ec);
    std::size_t write(std::size_t side, io::const_buffers buffers, io::error_code& ec);
    /// No more bytes from this side.
    void finish(std::size_t side);
    /// What an abort sends.
    void send_reset(std::size_t side);
    void leave(std::size_t side);

    network_way& out(std::size_t side) noexcept { return ways_[side]; }
    network_way& in(std::size_t side) noexcept { return ways_[1 - side]; }

    const std::uint64_t number;

  private:
    [[nodiscard]] const link_conditions& link(std::size_t side) const {
        return core_->link(parties_[side].host, parties_[1 - side].host);
    }
    [[nodiscard]] bool blocked(std::size_t side) const {
        return core_->blocked(parties_[side].host, parties_[1 - side].host);
    }
    void transmit(std::size_t side, network_segment::kind what, std::string bytes);
    void advance(std::size_t side);
    void deliver(std::size_t side, network_segment s);
    void deliver_data(std::size_t side, std::string bytes);
    [[nodiscard]] network_port* port() const;
    void open_at_server();
    void at_byte(std::size_t side);
    void watch(std::size_t side);
    void restamp(std::size_t side);
    void fail_end(std::size_t side, io::error_code why);
    void feed_reader(std::size_t side);
    void feed_writer(std::size_t side);
    template <class... Args>
    void note(std::size_t side, fmt::format_string<Args...> format, const Args&... args) {
        core_->note("#{} {} > {} {}", number, names_[side], names_[1 - side],
                    fmt::vformat(format, fmt::make_format_args(args...)));
    }

    std::shared_ptr<network_core> core_;
    party parties_[2];
    std::string names_[2];
    network_way ways_[2];  // by the side that sends
    network_end ends_[2];
    std::uint64_t port_ = 0;  // the listener's number
    bool opening_ = true;     // the server does not know of it yet
};

}  // namespace weft::testing::detail
