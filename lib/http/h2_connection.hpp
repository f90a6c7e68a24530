// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "byte_pump.hpp"
#include "h2_session.hpp"
#include "waker.hpp"
#include <weft/core/awaitable.hpp>
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>
#include <weft/http/h2_options.hpp>
#include <weft/runtime/clock.hpp>
#include <weft/runtime/deadlines.hpp>
#include <weft/runtime/event.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

namespace weft::http::detail {

class h2_connection;

/// A content of a client on its way out, beside the exchange that waits for the answer.
struct h2_upload {
    boost::asio::cancellation_signal signal;
    std::exception_ptr failed;
    event may_send;  ///< 100 came, or need not come
    bool begun = false;
    bool over = false;
    bool stopped = false;
};

/// One stream as the driver has it: what the session knows of it, who waits at it, and for how
/// long. It is used again for later streams, so that most of them allocate nothing; a body holds
/// the connection, and the serial number that the exchange had when the body was made.
struct h2_exchange : h2_stream {
    explicit h2_exchange(h2_connection& c);

    struct limit_entry final : deadlines::entry {
        limit_entry(h2_exchange& owner, callback on_fire);
        h2_exchange& exchange;
    };

    h2_connection& connection;
    waker changed;        ///< where a client waits for the head of the answer
    waker room;           ///< where who makes a content waits for room in `out`
    waker input_changed;  ///< where a pull of the body waits
    limit_entry limit;    ///< of a pull, of the wait for a head, or for the end of a dropped body
    limit_entry send_limit;
    std::atomic<std::uint64_t> serial{0};  ///< a body with another one is stale

    // The content that comes in.
    std::optional<std::uint64_t> announced;  ///< by Content-Length
    std::uint64_t delivered = 0;
    std::uint64_t received = 0;  ///< and thrown away
    clock::duration waited{};
    std::size_t in_a_row = 0;
    bool held = false;  ///< somebody has its body
    bool pulling = false;
    bool unwanted = false;  ///< its body was dropped: what comes is thrown away
    bool let_end = false;   ///< and it has a moment to come to its end
    bool limit_reached = false;
    bool expects_continue = false;
    bool watch_later = false;  ///< in the connection's to_watch_, and not for an exchange before
    bool stuck = false;        ///< reset because the peer did not take what was sent

    // The content that goes out.
    std::uint64_t out_total = 0;  ///< sent, when the send limit was set

    std::shared_ptr<h2_upload> upload;  ///< a client's

    // Whose it is.
    bool in_use = false;
    bool settled = true;  ///< its end was looked at: no event is about it any more
    int busy = 0;         ///< coroutines of ours that work for it
    bool head_request = false;
    bool is_connect = false;
    bool informs = false;  ///< a server's handler is at it: interim responses may be sent
};

/// What both roles of an HTTP/2 connection share: docs/h2-connection.md draws it. It moves bytes
/// between the stream and the session, in turns: everything that has come is taken, what happened
/// is told to the coroutines that wait for it, and what they made leaves in one write. All on the
/// stream's executor.
class h2_connection : public byte_pump, private h2_session::owner {
  public:
    struct settings {
        h2_session::role role = h2_session::role::server;
        h2_head_limits head;
        std::uint64_t max_body = ~std::uint64_t{0};
        std::uint64_t min_body_rate = 0;
        std::uint64_t min_stream_rate = 0;
        std::chrono::milliseconds header_timeout{10'000};
        std::chrono::milliseconds idle_timeout{60'000};
        std::chrono::milliseconds body_timeout{30'000};
    };

    h2_connection(io::stream connection, const h2_options& options, const settings& s);

  protected:
    friend struct h2_exchange;
    class source;

    /// The body of what comes in on an exchange; empty when it has none.
    http::body open_body(h2_exchange& x);
    /// Nobody gets anything from its body from now on.
    void detach(h2_exchange& x);

    /// Sends a content, no faster than the peer takes it. False: the exchange is over before it is
    /// sent, or the content is not what was announced. Throws what the content throws.
    awaitable<bool> send_content(h2_exchange& x, http::body& content,
                                 std::optional<std::uint64_t> size);
    /// Something is to be sent on it: who does not take it is given up in time.
    void watch_sending(h2_exchange& x);
    /// The same, for what may well have left by the end of the turn: nothing is to be watched then.
    void watch_sending_later(h2_exchange& x) {
        x.watch_later = true;
        to_watch_.push_back(&x);
    }

    /// An exchange that no one has.
    h2_exchange& take_exchange();
    /// It has come to its end on all sides.
    void release(h2_exchange& x);
    [[nodiscard]] std::size_t open_exchanges() const noexcept { return open_; }

    /// Everything that can be done now. Called when something came, and to begin.
    void turn();
    /// Nothing comes any more; what is in `out` still leaves.
    void finish();
    /// Destroys the stream, behind finish(): see byte_pump.
    void close() noexcept;
    /// Sets the limit on what the connection as a whole waits for.
    void watch();
    /// Frames into `out`, and what came of that.
    void gather();
    /// Why there will be nothing more: empty while there may.
    [[nodiscard]] bool is_over() const noexcept { return over_; }
    /// Both steps of GOAWAY; exchanges that are under way go on.
    void begin_drain();
    /// Since when it waits for a request, by the coarse clock; 0: it has streams, or ends. From any
    /// thread.
    [[nodiscard]] std::uint64_t waits_since() const noexcept {
        return idle_since_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool draining() const noexcept { return draining_; }
    void reset(h2_exchange& x, std::uint32_t code);
    /// Calls f for all exchanges that are in use, also for those that begin meanwhile.
    template <class F>
    void for_each(F f) {
        for (std::size_t i = 0; i < all_.size(); ++i)
            if (all_[i]->in_use) f(*all_[i]);
    }

    // What the roles do.
    virtual void on_head(h2_exchange& x) = 0;
    /// All that came has been told of.
    virtual void on_told() {}
    /// What was to be sent on it is larger than can be sent; the exchange ends.
    virtual void on_too_large(h2_exchange&) {}
    /// HTTP/2 has done with the exchange.
    virtual void on_closed(h2_exchange& x) = 0;
    /// Its message has been sent to the end.
    virtual void on_sent(h2_exchange& x) = 0;
    /// Its body was dropped, or came to its end.
    virtual void on_body_released(h2_exchange& x) = 0;
    /// The peer's SETTINGS or GOAWAY came.
    virtual void on_peer() {}
    /// The connection cannot be used any more: all exchanges are to end.
    virtual void on_over() = 0;
    /// Nothing has happened for a while, and no exchange is open: memory may go.
    virtual void on_quiet() {}
    /// The time is over in which a dropped body may come to its end.
    virtual void on_drop_limit(h2_exchange&) {}
    void drop_limit_reached(h2_exchange& x) noexcept;
    /// Whether more of a body that nobody wants may be thrown away.
    [[nodiscard]] static bool may_discard(const h2_exchange& x) noexcept;
    /// The peer did something that it may not do so often.
    virtual void on_abuse(const char* why) = 0;

    void on_input() override { turn(); }
    void on_read_cancelled() override;
    void on_limit() override;
    void before_flush() override { gather(); }
    /// Not within a turn: it ends with that.
    void flush_later() {
        if (!turning_) byte_pump::flush_later();
    }
    void after_flush() override;
    void on_abandoned() noexcept override;

    const h2_options options_;
    const settings settings_;
    h2_session session_;
    bool half_close_ = false;    // end of file does not end what is under way
    bool idle_limited_ = false;  // without a stream it ends after a while

  private:
    enum class waits_for : std::uint8_t { nothing, request, headers, ping, pong, drain };

    h2_stream* new_stream() override;
    void look_for_end();
    void limit_ran_out();
    void begin_idling();
    void arm_idle_limit(std::uint64_t idle_ms);
    void still_idle();
    void give_back();
    void send_the_rest();
    void handle_events();
    void cut_off(const char* why);
    void drained_once();

    awaitable<std::optional<weft::bytes>> pull(h2_exchange& x, std::uint64_t serial,
                                               http::headers& trailers);
    void body_dropped(h2_exchange& x, std::uint64_t serial);
    void discard(h2_exchange& x);
    void check_rate(const h2_exchange& x) const;
    static void stalled(h2_exchange& x) noexcept;
    static std::uint64_t sent_of(const h2_exchange& x) noexcept { return x.sent_bytes; }
    [[nodiscard]] bool of_requests() const noexcept {
        return settings_.role == h2_session::role::server;
    }

    std::vector<std::unique_ptr<h2_exchange>> all_;
    std::vector<h2_exchange*> free_;
    std::vector<h2_exchange*> to_watch_;  // once what can be sent at once has been
    std::size_t open_ = 0;
    std::uint64_t received_at_ping_ = 0;
    waits_for waits_for_ = waits_for::nothing;
    bool handling_ = false;
    bool turning_ = false;
    bool over_ = false;
    bool was_used_ = false;  // since it began to idle
    std::atomic<std::uint64_t> idle_since_{0};
    bool draining_ = false;
    bool drain_told_ = false;  // the second GOAWAY
};

}  // namespace weft::http::detail
