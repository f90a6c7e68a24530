// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_server.hpp"

#include "h2_tunnel.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/scope.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t drop_room = 8 * 1024;  // read and dropped in one go

h2_connection::settings settings_of(const server_options& o) {
    h2_connection::settings s;
    s.role = h2_session::role::server;
    s.head = {o.max_request_line, o.max_header_block, o.max_fields, o.h2.limits.header_bomb};
    s.max_body = o.max_body;
    s.min_body_rate = o.min_body_rate;
    s.min_stream_rate = o.min_send_rate;
    s.header_timeout = o.header_timeout;
    s.idle_timeout = o.idle_timeout;
    s.body_timeout = o.body_timeout;
    return s;
}

}  // namespace

h2_server_connection::h2_server_connection(io::stream connection, weft::bytes ahead, any_app app,
                                           std::shared_ptr<const server_options> options)
    : h2_connection(std::move(connection), options->h2, settings_of(*options)),
      app_(std::move(app)),
      mark_(context().mark()),
      shared_options_(std::move(options)),
      server_options_(*shared_options_),
      report_(stream().extensions(), server_options_.on_failure) {
    write_timeout = server_options_.write_timeout;
    min_send_rate = server_options_.min_send_rate;
    half_close_ = server_options_.half_close;
    idle_limited_ = true;
    if (!ahead.empty()) {
        std::memcpy(in.prepare(ahead.size()).data(), ahead.data(), ahead.size());
        in.commit(ahead.size());
    }
}

// The connection ----------------------------------------------------------------------------------

awaitable<void> h2_server_connection::serve() {
    auto self = std::static_pointer_cast<h2_server_connection>(shared_from_this());
    stream().extensions().insert(interim_link{self});
    auto start = [self](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr(self)](asio::cancellation_type) {
                if (auto alive = weak.lock())
                    asio::dispatch(alive->get_executor(), [alive] { alive->stop(); });
            });
        }
        // Without a slot: it has children to wait for, and ends when they have.
        asio::co_spawn(
            self->get_executor(), self->run(),
            asio::bind_cancellation_slot(
                asio::cancellation_slot(),
                [self, handler = std::move(handler)](std::exception_ptr e) mutable {
                    auto executor = asio::get_associated_executor(handler, self->get_executor());
                    asio::dispatch(executor, [e, handler = std::move(handler)]() mutable {
                        asio::get_associated_cancellation_slot(handler).clear();
                        std::move(handler)(e);
                    });
                }));
    };
    co_await asio::async_initiate<const asio::deferred_t&, void(std::exception_ptr)>(
        std::move(start), asio::deferred);
}

void h2_server_connection::stop() {
    stopping_ = true;
    end_workers();
    abort();
    changed.wake();
}

void h2_server_connection::drain(std::shared_ptr<server_connection> self) {
    asio::dispatch(get_executor(), [this, self = std::move(self)] { begin_drain(); });
}

awaitable<void> h2_server_connection::run() {
    auto self = shared_from_this();
    if (!stopping_) {
        if (drain_at_once_) begin_drain();
        turn();
    }
    while (!is_over() && !stopping_) co_await changed.wait();
    end_workers();
    while (at_work_ > 0) co_await changed.wait();
    for_each([&](h2_exchange& x) {
        x.closed = true;
        x.limit.disarm();
        x.send_limit.disarm();
        detach(x);
    });
    if (!stopping_) {
        if (!output_end()) stream().end_follows();
        flush();
        while (unsent() > 0 && !output_end() && !stopping_) co_await changed.wait();
        if (!output_end() && !stopping_) co_await linger();
    }
    close();
}

/// As in HTTP/1 (RFC 9112 9.6): closing with input unread would reset the connection, and take the
/// last frames with it.
awaitable<void> h2_server_connection::linger() {
    if (input_end()) co_return;
    io::error_code ec;
    if (!stream().try_shutdown_send(ec) && ec != asio::error::would_block) co_return;
    arm_limit(server_options_.linger_timeout);
    while (!input_end() && !limit_reached() && !stopping_) {
        in.consume(in.size());
        want_input(drop_room);
        co_await changed.wait();
    }
}

void h2_server_connection::on_over() { changed.wake(); }

void h2_server_connection::on_abuse(const char* why) {
    report_.refused(status::too_many_requests, why);
}

// Workers -----------------------------------------------------------------------------------------

void h2_server_connection::on_head(h2_exchange& x) {
    if (refuse(x)) return;
    ++x.busy;
    ready_.push_back(&x);
}

void h2_server_connection::on_told() { start_workers(); }

/// Until nobody waits for one. A worker takes one request after the other as long as no handler
/// suspends; when one may, this is called again once it has.
void h2_server_connection::start_workers() {
    while (next_ready_ < ready_.size() && !stopping_ && !is_over()) {
        if (idle_.empty()) return begin_worker();
        worker* w = idle_.back();
        idle_.pop_back();
        w->idle.wake();
    }
}

void h2_server_connection::start_others_later() {
    if (next_ready_ == ready_.size() || std::exchange(start_is_posted_, true)) return;
    auto self = std::static_pointer_cast<h2_server_connection>(shared_from_this());
    asio::post(executor(), [self] {
        self->start_is_posted_ = false;
        self->start_workers();
    });
}

void h2_server_connection::begin_worker() {
    auto self = std::static_pointer_cast<h2_server_connection>(shared_from_this());
    workers_.push_back(std::make_unique<worker>(*this));
    worker& w = *workers_.back();
    ++at_work_;
    asio::co_spawn(executor(), work(w),
                   asio::bind_cancellation_slot(w.signal.slot(), [self, &w](std::exception_ptr) {
                       --self->at_work_;
                       h2_exchange* const at = w.at;
                       std::erase_if(self->workers_, [&](const auto& p) { return p.get() == &w; });
                       if (at) self->give_up(*at);
                       self->start_workers();
                       self->changed.wake();
                   }));
}

void h2_server_connection::end_workers() {
    for (std::size_t i = next_ready_; i < ready_.size(); ++i) --ready_[i]->busy;
    ready_.clear();
    next_ready_ = 0;
    // Those that are cancelled may end at once, and leave the list.
    std::vector<worker*> all;
    for (auto& w : workers_) all.push_back(w.get());
    idle_.clear();
    for (worker* w : all) {
        const bool alive = std::any_of(workers_.begin(), workers_.end(),
                                       [&](const auto& p) { return p.get() == w; });
        if (!alive) continue;
        if (w->idle.waiting())
            w->idle.wake();
        else
            cancel(*w);
    }
}

void h2_server_connection::cancel(worker& w) {
    if (!w.begun || !w.handling || w.cancelled) return;
    w.cancelled = true;
    w.signal.emit(asio::cancellation_type::terminal);
}

void h2_server_connection::cancel(const h2_exchange& x) {
    for (auto& w : workers_)
        if (w->at == &x) return cancel(*w);
}

awaitable<void> h2_server_connection::work(worker& w) {
    auto self = shared_from_this();
    w.begun = true;
    for (;;) {
        if (is_over() || stopping_) co_return;
        if (next_ready_ == ready_.size()) {
            ready_.clear();
            next_ready_ = 0;
            idle_.push_back(&w);
            co_await w.idle.wait();
            if (w.dismissed) co_return;
            continue;
        }
        h2_exchange& x = *ready_[next_ready_++];
        if (x.closed) {
            finish_exchange(x);
            continue;
        }
        w.at = &x;
        http::body tunnelled;
        request r = make_request(x, w, tunnelled);
        std::optional<response> answer;
        std::exception_ptr thrown;
        w.handling = true;
        start_others_later();
        try {
            if (mark_) mark_->called(r.method().text(), r.target());
            answer = co_await app_.serve(std::move(r));
        } catch (...) {
            thrown = std::current_exception();
        }
        x.informs = false;
        // Here and not in a function: a coroutine that is cancelled cannot await another one.
        if (std::exchange(w.cancelled, false))
            co_await asio::this_coro::reset_cancellation_state(
                asio::enable_terminal_cancellation());
        else if (thrown)
            answer = answer_to(std::move(thrown), w);
        if (answer && !x.closed && !is_over()) {
            std::optional<std::uint64_t> size;
            if (answer->upgrade() && x.is_connect && answer->status().is_success()) {
                co_await tunnel(x, std::move(*answer), std::move(tunnelled));
            } else if (begin_response(x, &w, *answer, size)) {
                bool whole = false;
                std::exception_ptr broke;
                try {
                    whole = co_await send_content(x, answer->body(), size);
                } catch (...) {
                    broke = std::current_exception();
                }
                if (broke && !w.cancelled && !x.closed && !is_over())
                    report_.broke_off(failure::from(std::move(broke)), name_of(w));
                if (!whole) reset(x, NGHTTP2_INTERNAL_ERROR);
            }
            if (std::exchange(w.cancelled, false))
                co_await asio::this_coro::reset_cancellation_state(
                    asio::enable_terminal_cancellation());
        } else if (!x.closed) {
            reset(x, NGHTTP2_CANCEL);
        }
        w.handling = false;
        answer.reset();  // its body may be the request's
        w.at = nullptr;
        finish_exchange(x);
    }
}

/// The worker has done with it.
void h2_server_connection::finish_exchange(h2_exchange& x) {
    --x.busy;
    detach(x);
    if (x.sent) on_sent(x);
    release(x);
    flush_later();
}

/// The worker has ended in the middle of it: a report that throws, no memory for an answer.
void h2_server_connection::give_up(h2_exchange& x) noexcept {
    try {
        reset(x, NGHTTP2_INTERNAL_ERROR);
        finish_exchange(x);
    } catch (...) {
        abort();  // nor for this
    }
}

/// Many slow requests at once need many workers, a kept connection one.
void h2_server_connection::on_quiet() {
    while (idle_.size() > 1) {
        worker* const w = idle_.back();
        idle_.pop_back();
        w->dismissed = true;
        w->idle.wake();
    }
}

void h2_server_connection::on_too_large(h2_exchange&) {
    try {
        report_.broke_off(failure(failure_kind::invalid_input,
                                  "the header section of a response is too large to be sent"),
                          {});
    } catch (...) {
        abort();  // thrown by the application's report: there is no call to blame it on
    }
}

void h2_server_connection::on_closed(h2_exchange& x) {
    // Before the response was made: the peer has given it up.
    if (x.busy > 0 && !(x.sent && x.error == NGHTTP2_NO_ERROR)) cancel(x);
    release(x);
}

/// A response may be whole before its request is (RFC 9113 8.1): then nobody wants the rest. A
/// little of it has a moment to come: RST_STREAM, which may overtake the response, tells some
/// clients that it failed.
void h2_server_connection::on_sent(h2_exchange& x) {
    if (x.busy > 0 || x.ended || x.closed || x.let_end) return;
    if (x.is_connect || input_end() || !may_discard(x)) return reset(x, NGHTTP2_NO_ERROR);
    x.let_end = true;
    session_.forgive_reset();  // a client may well break off what it need not send any more
    x.limit.arm_after(server_options_.linger_timeout);
}

void h2_server_connection::on_drop_limit(h2_exchange& x) {
    if (x.in_use && !x.closed) reset(x, NGHTTP2_NO_ERROR);
}

}  // namespace weft::http::detail
