// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_connection.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t read_room = 16 * 1024;
constexpr std::size_t idle_room = 2 * 1024;      // while no stream is open
constexpr std::size_t gather_most = 64 * 1024;   // frames that leave in one write
constexpr std::size_t unsent_most = 128 * 1024;  // beyond that the peer must take some first
constexpr std::size_t high_water = 64 * 1024;    // of one content that the peer has not taken
constexpr std::uint8_t drain_mark = 1, alive_mark = 2;
/// A peer that does not answer the ping of a drain is told after this that nothing new is taken.
constexpr std::chrono::milliseconds drain_wait{1000};
/// After this without an exchange memory is given back: not between two requests.
constexpr std::chrono::milliseconds quiet_after{1000};

}  // namespace

// Exchanges ---------------------------------------------------------------------------------------

h2_exchange::limit_entry::limit_entry(h2_exchange& owner, callback on_fire)
    : entry(owner.connection.context().deadlines(), owner.connection.get_executor(), on_fire),
      exchange(owner) {}

h2_exchange::h2_exchange(h2_connection& c)
    : connection(c),
      changed(c.executor()),
      room(c.executor()),
      input_changed(c.executor()),
      limit(*this,
            [](deadlines::entry& e) noexcept {
                h2_exchange& x = static_cast<limit_entry&>(e).exchange;
                auto keep = x.connection.shared_from_this();
                x.limit_reached = true;
                if (x.let_end) x.connection.drop_limit_reached(x);
                x.input_changed.wake();
                x.changed.wake();
            }),
      send_limit(*this, [](deadlines::entry& e) noexcept {
          h2_connection::stalled(static_cast<limit_entry&>(e).exchange);
      }) {}

h2_exchange& h2_connection::take_exchange() {
    if (free_.empty()) {
        all_.push_back(std::make_unique<h2_exchange>(*this));
        free_.reserve(all_.size());
        free_.push_back(all_.back().get());
    }
    h2_exchange& x = *free_.back();
    free_.pop_back();
    x.error = 0;
    x.answered = x.given_up = x.too_large = x.head_came = x.continued = x.ended = x.head_sent =
        x.out_ended = x.sent = x.deferred = false;
    x.delivered = x.received = x.out_total = x.sent_bytes = 0;
    x.waited = {};
    x.in_a_row = 0;
    x.held = x.pulling = x.unwanted = x.limit_reached = x.expects_continue = x.stuck = false;
    x.head_request = x.is_connect = x.let_end = x.informs = x.keeps_interim = false;
    x.announced.reset();
    x.busy = 0;
    x.in_use = x.settled = true;
    ++open_;
    was_used_ = true;
    return x;
}

h2_stream* h2_connection::new_stream() {
    h2_exchange& x = take_exchange();
    x.settled = false;
    return &x;
}

void h2_connection::release(h2_exchange& x) {
    if (!x.in_use || !x.settled || x.busy > 0 || x.held) return;
    detach(x);
    x.limit.disarm();
    x.send_limit.disarm();
    x.out.clear();
    x.trailers.clear();
    x.upload.reset();
    x.interim.clear();
    x.interim_size = 0;
    x.in_use = x.watch_later = false;
    --open_;
    free_.push_back(&x);
}

void h2_connection::reset(h2_exchange& x, std::uint32_t code) {
    if (x.closed) return;
    x.out.clear();
    session_.reset(x, code);
    flush_later();
}

// The turn ----------------------------------------------------------------------------------------

h2_connection::h2_connection(io::stream connection, const h2_options& options, const settings& s)
    : byte_pump(std::move(connection)),
      options_(options),
      settings_(s),
      session_(s.role, options, s.head, *this) {
    wakes_driver_ = false;  // it is told by on_over
}

void h2_connection::turn() {
    if (over_) {
        in.consume(in.size());
        return;
    }
    if (!in.empty()) {
        if (const char* why = session_.receive(in, context().deadlines().coarse_milliseconds()))
            cut_off(why);
    }
    {
        struct in_turn {
            bool& flag;
            ~in_turn() { flag = false; }
        } guard{turning_};
        turning_ = true;
        handle_events();
    }
    gather();
    flush();
    if (session_.waiting_frames() > options_.limits.waiting_frames + all_.size() && !over_)
        cut_off("too many answers wait to be sent");
    look_for_end();
    if (over_) return;
    send_the_rest();
    want_input(open_ == 0 ? idle_room : read_room);
    watch();
}

void h2_connection::gather() {
    if (over_ || output_end() || unsent() >= unsent_most) return;
    if (const char* why = session_.send(out, gather_most)) cut_off(why);
    handle_events();
    for (h2_exchange* const x : to_watch_)
        if (std::exchange(x->watch_later, false)) watch_sending(*x);
    to_watch_.clear();
}

void h2_connection::after_flush() {
    look_for_end();
    if (over_) return;
    send_the_rest();
    watch();
}

/// What did not fit into one write, after others had their turn.
void h2_connection::send_the_rest() {
    if (session_.wants_write() && unsent() == 0) flush_later();
}

void h2_connection::look_for_end() {
    const bool silent =
        input_end() && (!half_close_ || *input_end() != asio::error::eof || open_ == 0);
    if (session_.over() || silent || output_end()) finish();
}

void h2_connection::handle_events() {
    if (std::exchange(handling_, true)) return;
    for (std::size_t i = 0; i < session_.events.size(); ++i) {
        const h2_event e = session_.events[i];
        auto* x = static_cast<h2_exchange*>(e.stream);
        switch (e.what) {
            case h2_event::kind::head:
                if (!over_ && x->in_use) on_head(*x);
                break;
            case h2_event::kind::input:
                if (x->unwanted) discard(*x);
                x->input_changed.wake();
                break;
            case h2_event::kind::taken:
                if (x->out.size() < high_water / 2) x->room.wake();
                break;
            case h2_event::kind::sent:
                x->send_limit.disarm();
                if (x->in_use) on_sent(*x);
                break;
            case h2_event::kind::too_large:
                if (x->in_use) on_too_large(*x);
                break;
            case h2_event::kind::closed:
                x->settled = true;
                x->send_limit.disarm();
                x->out.clear();
                on_closed(*x);
                x->input_changed.wake();
                x->room.wake();
                x->changed.wake();
                break;
            case h2_event::kind::settings:
            case h2_event::kind::goaway:
                on_peer();
                break;
            case h2_event::kind::pong:
                if (draining_ && e.mark == drain_mark) drained_once();
                break;
        }
    }
    session_.events.clear();
    handling_ = false;
    on_told();
}

void h2_connection::cut_off(const char* why) {
    on_abuse(why);
    session_.cut_off(out, why);
    flush();
    finish();
}

void h2_connection::finish() {
    if (std::exchange(over_, true)) return;
    wakes_driver_ = true;
    disarm_limit();
    idle_since_.store(0, std::memory_order_relaxed);
    on_over();
}

void h2_connection::close() noexcept {
    for (const auto& x : all_) {
        x->limit.retire();
        x->send_limit.retire();
    }
    byte_pump::close();
}

// Limits ------------------------------------------------------------------------------------------

void h2_connection::watch() {
    waits_for next = waits_for::nothing;
    std::chrono::milliseconds limit{0};
    if (session_.in_header_block()) {
        next = waits_for::headers;
        limit = settings_.header_timeout;
    } else if (draining_ && !drain_told_) {
        next = waits_for::drain;
        limit = drain_wait;
    } else if (open_ == 0) {
        next = idle_limited_ ? waits_for::request : waits_for::nothing;
        limit = settings_.idle_timeout;
    } else if (options_.ping_interval.count() > 0) {
        // What we send ourselves says nothing of the peer.
        const bool asking = waits_for_ == waits_for::ping || waits_for_ == waits_for::pong;
        if (asking && received() == received_at_ping_) return;
        received_at_ping_ = received();
        waits_for_ = waits_for::ping;
        idle_since_.store(0, std::memory_order_relaxed);
        return arm_limit(options_.ping_interval);
    }
    const bool idles = next == waits_for::request;
    if (idles && (next != waits_for_ || was_used_)) begin_idling();
    if (next == waits_for_) return;
    waits_for_ = next;
    if (idles) return arm_idle_limit(0);
    idle_since_.store(0, std::memory_order_relaxed);
    if (next == waits_for::nothing)
        disarm_limit();
    else
        arm_limit(limit);
}

/// Notes that the last exchange is over. The limit is not armed anew for that: what it fires for is
/// looked at when it does.
void h2_connection::begin_idling() {
    was_used_ = false;
    context().deadlines().refresh();  // the handlers may have used the processor for long
    idle_since_.store(context().deadlines().coarse_milliseconds(), std::memory_order_relaxed);
}

/// The next time at which idling for so long already means something.
void h2_connection::arm_idle_limit(std::uint64_t idle_ms) {
    const std::chrono::milliseconds idle(static_cast<std::int64_t>(idle_ms));
    arm_limit((idle < quiet_after ? std::min(quiet_after, settings_.idle_timeout)
                                  : settings_.idle_timeout) -
              idle);
}

void h2_connection::still_idle() {
    const std::uint64_t idle_ms =
        context().deadlines().coarse_milliseconds() - idle_since_.load(std::memory_order_relaxed);
    const std::chrono::milliseconds idle(static_cast<std::int64_t>(idle_ms));
    if (idle >= settings_.idle_timeout) {
        begin_drain();
        drained_once();
        return turn();
    }
    waits_for_ = waits_for::request;
    arm_idle_limit(idle_ms);
    if (idle >= quiet_after) give_back();
}

void h2_connection::give_back() {
    if (unsent() > 0) return;
    on_quiet();
    shrink();
    session_.shrink();
    to_watch_.shrink_to_fit();
    if (reading() && in.room() > idle_room) cancel_read();
}

void h2_connection::on_read_cancelled() {
    if (over_) return;
    if (input_end()) return look_for_end();  // aborted
    in.shrink();
    want_input(idle_room);
}

void h2_connection::on_limit() {
    try {
        limit_ran_out();
    } catch (...) {
        abort();  // no memory for what there was to say
        finish();
    }
}

void h2_connection::limit_ran_out() {
    if (over_) return;
    switch (std::exchange(waits_for_, waits_for::nothing)) {
        case waits_for::nothing:
            return;
        case waits_for::headers:
            return cut_off("a header section took too long");
        case waits_for::request:
            return still_idle();
        case waits_for::drain:
            drained_once();
            return turn();
        case waits_for::ping:
            session_.ping(alive_mark);
            received_at_ping_ = received();
            waits_for_ = waits_for::pong;
            arm_limit(options_.ping_timeout);
            return flush_later();
        case waits_for::pong:
            abort();
            return finish();
    }
}

void h2_connection::begin_drain() {
    if (std::exchange(draining_, true) || over_) return;
    session_.announce_end();
    session_.ping(drain_mark);
    waits_for_ = waits_for::nothing;
    idle_since_.store(0, std::memory_order_relaxed);
    flush_later();
}

/// A round trip has passed: what the peer sent before it heard of the drain has come.
void h2_connection::drained_once() {
    if (std::exchange(drain_told_, true)) return;
    session_.end_soon();
    flush_later();
}

void h2_connection::on_abandoned() noexcept {
    for (auto& x : all_) {
        x->changed.abandon();
        x->room.abandon();
        x->input_changed.abandon();
    }
}

}  // namespace weft::http::detail
