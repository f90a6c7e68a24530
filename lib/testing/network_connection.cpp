// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "network_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include <algorithm>
#include <cstring>

namespace weft::testing::detail {

namespace asio = boost::asio;

namespace {

std::size_t total(io::const_buffers buffers) noexcept {
    std::size_t sum = 0;
    for (const auto& b : buffers) sum += b.size();
    return sum;
}
std::size_t total(io::mutable_buffers buffers) noexcept {
    std::size_t sum = 0;
    for (const auto& b : buffers) sum += b.size();
    return sum;
}

/// The first n bytes of the buffers.
std::string copy(io::const_buffers buffers, std::size_t n) {
    std::string text;
    text.reserve(n);
    for (const auto& b : buffers) {
        const std::size_t part = std::min(n - text.size(), b.size());
        text.append(static_cast<const char*>(b.data()), part);
    }
    return text;
}

}  // namespace

network_connection::network_connection(std::shared_ptr<network_core> core, party client,
                                       party server)
    : number(core->next_number()),
      core_(std::move(core)),
      parties_{std::move(client), std::move(server)},
      names_{fmt::format("{}:{}", core_->at(parties_[0].host).name, parties_[0].address.port()),
             fmt::format("{}:{}", core_->at(parties_[1].host).name, parties_[1].address.port())},
      ways_{{*core_, [this] { advance(0); }, [this] { fail_end(0, asio::error::timed_out); }},
            {*core_, [this] { advance(1); }, [this] { fail_end(1, asio::error::timed_out); }}},
      ends_{{*this, 0, parties_[0].executor}, {*this, 1, parties_[1].executor}} {
    core_->add(*this);
    note(0, "established");
    if (network_port* p = core_->port_at(parties_[1].address)) {
        port_ = p->id;
        ++p->opening;
    }
    transmit(0, network_segment::kind::open, {});
}

// Sending -----------------------------------------------------------------------------------------

std::size_t network_connection::write(std::size_t side, io::const_buffers buffers,
                                      io::error_code& ec) {
    network_end& end = ends_[side];
    network_way& way = out(side);
    if (end.aborted)
        ec = asio::error::connection_aborted;
    else if (way.fin_sent)
        ec = asio::error::broken_pipe;
    else if (end.dead)
        // As Linux has it: a reset behind the peer's end of file says that nobody reads this.
        ec = in(side).ended && end.dead == asio::error::connection_reset
                 ? io::error_code(asio::error::broken_pipe)
                 : end.dead;
    else if (way.held() >= core_->options.capacity)
        ec = asio::error::would_block;
    if (ec) return 0;
    std::size_t n = std::min(total(buffers), core_->options.capacity - way.held());
    if (const std::size_t most = link(side).max_write) n = std::min(n, core_->draw(most));
    note(side, "{} bytes sent", n);
    transmit(side, network_segment::kind::data, copy(buffers, n));
    return n;
}

void network_connection::finish(std::size_t side) {
    if (std::exchange(out(side).fin_sent, true) || ends_[side].dead) return;
    note(side, "end sent");
    transmit(side, network_segment::kind::fin, {});
}

void network_connection::send_reset(std::size_t side) {
    if (ends_[side].dead) return;
    ends_[side].dead = asio::error::connection_aborted;
    note(side, "reset sent");
    transmit(side, network_segment::kind::reset, {});
}

/// Puts it on its way, in pieces; what takes no time arrives at once.
void network_connection::transmit(std::size_t side, network_segment::kind what, std::string bytes) {
    const link_conditions& l = link(side);
    network_way& way = out(side);
    const time_point now = core_->now();
    const bool instant = l.latency == clock::duration::zero() &&
                         l.jitter == clock::duration::zero() && l.bandwidth == 0;
    std::size_t done = 0;
    do {
        const std::size_t n =
            instant ? bytes.size() : std::min(bytes.size() - done, core_->options.segment);
        network_segment s{
            what, now, done == 0 && n == bytes.size() ? std::move(bytes) : bytes.substr(done, n)};
        if (l.bandwidth > 0) {
            const auto ns = static_cast<std::int64_t>(static_cast<double>(n) * 1e9 /
                                                      static_cast<double>(l.bandwidth));
            way.line_free = std::max(way.line_free, now) + std::chrono::nanoseconds(ns);
            s.arrives = way.line_free;
        }
        s.arrives = std::max(s.arrives + core_->travel(l), way.last_arrival);
        way.last_arrival = s.arrives;
        way.flying += s.bytes.size();
        way.flight.push_back(std::move(s));
        done += n;
    } while (done < bytes.size());
    advance(side);
}

// On the way --------------------------------------------------------------------------------------

/// Delivers what has arrived by now, and waits for the next.
void network_connection::advance(std::size_t side) {
    network_way& way = out(side);
    while (!way.flight.empty() && !blocked(side)) {
        if (way.flight.front().arrives > core_->now()) {
            way.next_arrival.arm(way.flight.front().arrives);
            return watch(side);
        }
        network_segment s = std::move(way.flight.front());
        way.flight.pop_front();
        way.flying -= s.bytes.size();
        deliver(side, std::move(s));
    }
    way.next_arrival.disarm();
    watch(side);
}

/// How long a sender waits for a sign that its bytes arrive.
void network_connection::watch(std::size_t side) {
    network_way& way = out(side);
    const bool silent = (!way.flight.empty() && blocked(side)) || way.losing ||
                        (way.unacknowledged > 0 && blocked(1 - side));
    if (!silent || ends_[side].dead || (ends_[side].gone && ends_[1 - side].gone))
        way.gives_up.disarm();
    else if (!way.gives_up.armed())
        way.gives_up.arm(core_->now() + core_->options.retransmit_limit);
}

void network_connection::deliver(std::size_t side, network_segment s) {
    network_end& to = ends_[1 - side];
    network_way& way = out(side);
    if (s.what == network_segment::kind::open) return open_at_server();
    if (way.truncated && s.what != network_segment::kind::reset) return;
    if (way.limits_passed && link(side).lose_from) {
        if (s.what == network_segment::kind::data) way.lost += s.bytes.size();
        way.losing = true;
        note(side, "lost");
        return;
    }
    if (s.what == network_segment::kind::reset) {
        note(side, "reset arrives");
        return fail_end(1 - side, asio::error::connection_reset);
    }
    if (to.orphan || (to.gone && s.what == network_segment::kind::data)) {
        // Nobody knows the connection here.
        if (!to.dead) return send_reset(1 - side);
        if (to.orphan && !ends_[side].dead) {
            note(1 - side, "reset sent");
            transmit(1 - side, network_segment::kind::reset, {});
        }
        return;
    }
    if (to.dead) return;
    if (s.what == network_segment::kind::fin) {
        way.ended = true;
        note(side, "end arrives");
        return feed_reader(1 - side);
    }
    deliver_data(side, std::move(s.bytes));
}

void network_connection::deliver_data(std::size_t side, std::string bytes) {
    network_way& way = out(side);
    const link_conditions l = link(side);
    std::uint64_t until = UINT64_MAX;
    for (const auto& limit : {l.reset_at, l.truncate_at, l.lose_from})
        if (limit) until = std::min(until, *limit);
    const std::size_t room =
        until > way.delivered
            ? static_cast<std::size_t>(std::min<std::uint64_t>(until - way.delivered, bytes.size()))
            : 0;
    const std::size_t over = bytes.size() - room;
    bytes.resize(room);
    if (way.taken == way.arrived.size()) {
        way.arrived.clear();
        way.taken = 0;
    }
    way.arrived += bytes;
    way.delivered += room;
    if (blocked(1 - side)) way.unacknowledged += room;
    if (room > 0) note(side, "{} bytes arrive", room);
    at_byte(side);
    if (over > 0 && way.limits_passed && l.lose_from) {
        way.lost += over;
        way.losing = true;
    }
    feed_reader(1 - side);
    feed_writer(side);
}

/// What the link does after so many bytes.
void network_connection::at_byte(std::size_t side) {
    network_way& way = out(side);
    if (way.limits_passed || opening_) return;
    const link_conditions l = link(side);
    if (l.reset_at && way.delivered >= *l.reset_at) {
        way.limits_passed = true;
        reset_by_network(fmt::format("reset at byte {}", way.delivered));
    } else if (l.truncate_at && way.delivered >= *l.truncate_at) {
        way.limits_passed = way.truncated = way.ended = true;
        note(side, "truncated at byte {}", way.delivered);
        feed_reader(1 - side);
    } else if (l.lose_from && way.delivered >= *l.lose_from) {
        way.limits_passed = true;
        note(side, "lost from byte {}", way.delivered);
    }
}

/// The listener that it was made for, if that is still there.
network_port* network_connection::port() const {
    network_port* const p = core_->port_at(parties_[1].address);
    return p && p->id == port_ ? p : nullptr;
}

void network_connection::open_at_server() {
    network_port* const p = port();
    if (!p) {
        opening_ = false;
        send_reset(1);
        return leave(1);
    }
    opening_ = false;
    --p->opening;
    note(1, "accepted");
    io::stream s(&ends_[1]);
    static_cast<void>(p->queue.try_send(s));  // there is room: full() was asked, with `opening`
    at_byte(0);
    at_byte(1);
}

void network_connection::abandon_opening() {
    if (!std::exchange(opening_, false)) return;
    if (network_port* const p = port()) --p->opening;
    ends_[1].dead = asio::error::connection_aborted;
    leave(1);
}

// Receiving ---------------------------------------------------------------------------------------

std::size_t network_connection::read(std::size_t side, io::mutable_buffers buffers,
                                     io::error_code& ec) {
    network_end& end = ends_[side];
    network_way& way = in(side);
    if (end.aborted) {
        ec = asio::error::connection_aborted;
        return 0;
    }
    std::size_t n = std::min(total(buffers), way.unread());
    if (n == 0) {
        ec = way.ended  ? io::error_code(asio::error::eof)
             : end.dead ? end.dead
                        : io::error_code(asio::error::would_block);
        return 0;
    }
    if (const std::size_t most = link(1 - side).max_read) n = std::min(n, core_->draw(most));
    asio::buffer_copy(buffers, asio::buffer(way.arrived.data() + way.taken, n));
    way.taken += n;
    note(1 - side, "{} bytes read", n);
    feed_writer(1 - side);
    return n;
}

// Whoever waits is taken off first: reading makes room for the writer, whose bytes may be there at
// once.

void network_connection::feed_reader(std::size_t side) {
    network_way& way = in(side);
    io::operation* const reader = std::exchange(way.reader, nullptr);
    if (!reader) return;
    io::error_code ec;
    const std::size_t n = read(side, way.into, ec);
    if (ec == asio::error::would_block)
        way.reader = reader;
    else
        ends_[side].complete(*reader, ec, n);
}

void network_connection::feed_writer(std::size_t side) {
    network_way& way = out(side);
    io::operation* const writer = std::exchange(way.writer, nullptr);
    if (!writer) return;
    io::error_code ec;
    const std::size_t n = write(side, way.from, ec);
    if (ec == asio::error::would_block)
        way.writer = writer;
    else
        ends_[side].complete(*writer, ec, n);
}

// Faults ------------------------------------------------------------------------------------------

/// The connection is over at this end.
void network_connection::fail_end(std::size_t side, io::error_code why) {
    network_end& end = ends_[side];
    if (end.dead || end.aborted) return;
    end.dead = why;
    if (why == asio::error::timed_out) note(side, "gives up");
    network_way& way = out(side);
    way.flight.clear();
    way.flying = 0;
    way.next_arrival.disarm();
    way.gives_up.disarm();
    feed_reader(side);
    feed_writer(side);
    if (side == 0) abandon_opening();
}

void network_connection::reset_by_network(std::string_view why) {
    note(0, "{}", why);
    fail_end(0, asio::error::connection_reset);
    fail_end(1, asio::error::connection_reset);
}

void network_connection::forgotten_by(host_id h) {
    for (const std::size_t side : {0u, 1u}) {
        if (parties_[side].host != h) continue;
        ends_[side].orphan = true;
        fail_end(side, asio::error::connection_aborted);
    }
    if (opening_ && parties_[1].host == h) abandon_opening();
    healed();
}

void network_connection::conditions_changed() {
    for (const std::size_t side : {0u, 1u}) {
        at_byte(side);
        advance(side);
    }
}

/// What waited for the link sets out again.
void network_connection::restamp(std::size_t side) {
    network_way& way = out(side);
    const link_conditions& l = link(side);
    time_point last = core_->now();
    for (network_segment& s : way.flight) {
        if (s.arrives <= core_->now()) s.arrives = core_->now() + core_->travel(l);
        s.arrives = last = std::max(s.arrives, last);
    }
    if (!way.flight.empty()) way.last_arrival = last;
}

void network_connection::healed() {
    for (const std::size_t side : {0u, 1u}) {
        if (!blocked(side)) restamp(side);
        if (!blocked(1 - side)) out(side).unacknowledged = 0;
    }
    for (const std::size_t side : {0u, 1u}) {
        advance(side);
        feed_writer(side);
    }
}

/// The stream is gone.
void network_connection::leave(std::size_t side) {
    network_end& end = ends_[side];
    if (end.gone) return;
    end.leave();
    if (end.aborted || end.dead) {
        // What there was to say has been said.
    } else if (in(side).unread() > 0) {
        send_reset(side);  // as TCP does: the peer's words were not read
    } else {
        finish(side);
    }
    end.gone = true;
    in(side).arrived.clear();
    in(side).taken = 0;
    feed_writer(1 - side);
    if (!ends_[0].gone || !ends_[1].gone) return;
    for (network_way& way : ways_) {
        way.flight.clear();
        way.next_arrival.disarm();
        way.gives_up.disarm();
    }
    core_->doom(*this);
}

}  // namespace weft::testing::detail
