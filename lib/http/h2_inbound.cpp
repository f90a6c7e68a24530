// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// The contents of an HTTP/2 connection's streams: bodies that are pulled from it, and bodies that
// are sent over it.
#include "h2_connection.hpp"
#include <weft/http/server.hpp>
#include <weft/runtime/run_on.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t largest_piece = 64 * 1024;
constexpr std::size_t unread_body = 64 * 1024;  // of a dropped body, thrown away without a word
constexpr std::size_t high_water = 64 * 1024;   // of a content that the peer has not taken
constexpr std::size_t fair_share = 64 * 1024;   // in a row, before others have their turn

failure ended_connection() {
    return failure(failure_kind::unavailable, "the connection of this body has ended")
        .in(failure_domain::transport);
}

}  // namespace

// What comes in -----------------------------------------------------------------------------------

/// What a body pulls from: one exchange, for as long as its serial number is this one.
class h2_connection::source final : public body::source {
  public:
    source(h2_exchange& x, std::optional<std::uint64_t> size)
        : keep_(std::static_pointer_cast<h2_connection>(x.connection.shared_from_this())),
          exchange_(&x),
          serial_(x.serial.load(std::memory_order_relaxed)),
          left_(size) {}

    ~source() override {
        if (exchange_->serial.load(std::memory_order_acquire) != serial_) return;
        // The body may die anywhere; what it leaves is looked after where the connection lives.
        auto executor = keep_->get_executor();
        asio::dispatch(executor, [keep = std::move(keep_), x = exchange_, serial = serial_] {
            keep->body_dropped(*x, serial);
        });
    }

    awaitable<std::optional<weft::bytes>> next() override {
        if (ended_) co_return std::nullopt;
        const auto here = co_await asio::this_coro::executor;
        std::optional<weft::bytes> piece;
        if (here == keep_->executor())
            piece = co_await keep_->pull(*exchange_, serial_, trailers_);
        else
            piece =
                co_await run_on(keep_->get_executor(), keep_->pull(*exchange_, serial_, trailers_));
        if (!piece) {
            ended_ = true;
            left_ = 0;
        } else if (left_) {
            *left_ -= std::min<std::uint64_t>(*left_, piece->size());
        }
        co_return piece;
    }
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return left_; }
    [[nodiscard]] failure too_large(std::size_t limit) const override {
        failure f = body::source::too_large(limit);
        if (!keep_->of_requests()) return f;
        return std::move(f).detail(answer_with{status::content_too_large});
    }
    [[nodiscard]] headers* trailers() noexcept override {
        return trailers_.empty() ? nullptr : &trailers_;
    }

  private:
    std::shared_ptr<h2_connection> keep_;
    h2_exchange* exchange_;
    std::uint64_t serial_;
    std::optional<std::uint64_t> left_;
    bool ended_ = false;
    headers trailers_;
};

http::body h2_connection::open_body(h2_exchange& x) {
    if (x.ended && x.in.empty() && !x.head.has_trailers()) return {};
    x.serial.fetch_add(1, std::memory_order_acq_rel);
    x.held = true;
    const headers& fields =
        of_requests() ? x.head.request().headers() : x.head.response().headers();
    const bool known = !x.head_request && !x.is_connect;
    if (known) x.announced = fields.content_length();
    return http::body(std::make_unique<source>(x, x.announced));
}

void h2_connection::detach(h2_exchange& x) {
    if (std::exchange(x.held, false)) {
        x.serial.fetch_add(1, std::memory_order_acq_rel);
        x.input_changed.wake();
    }
    x.unwanted = true;
    discard(x);
}

void h2_connection::body_dropped(h2_exchange& x, std::uint64_t serial) {
    if (x.serial.load(std::memory_order_relaxed) != serial) return;
    x.held = false;
    x.unwanted = true;
    discard(x);
    on_body_released(x);
    flush_later();
}

/// Throws away what came, up to a little; then the peer's window stays closed.
void h2_connection::discard(h2_exchange& x) {
    if (x.in.empty() || (!may_discard(x) && !x.closed)) return;
    x.received += x.in.size();
    session_.drop(x);
    if (x.let_end && !may_discard(x)) on_drop_limit(x);
    flush_later();
}

bool h2_connection::may_discard(const h2_exchange& x) noexcept { return x.received <= unread_body; }

void h2_connection::check_rate(const h2_exchange& x) const {
    if (settings_.min_body_rate == 0 || x.waited <= settings_.body_timeout) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(x.waited).count();
    if (x.delivered >= settings_.min_body_rate * static_cast<std::uint64_t>(seconds)) return;
    throw failure(failure_kind::timeout, "the body comes too slowly")
        .in(failure_domain::transport)
        .with("received", static_cast<long long>(x.delivered))
        .with("seconds", seconds)
        .detail(answer_with{of_requests() ? status::request_timeout : status::gateway_timeout});
}

awaitable<std::optional<weft::bytes>> h2_connection::pull(h2_exchange& x, std::uint64_t serial,
                                                          headers& trailers) {
    auto keep = shared_from_this();
    const auto stale = [&] { return x.serial.load(std::memory_order_relaxed) != serial; };
    if (stale()) throw ended_connection();
    if (x.pulling) throw failure(failure_kind::invalid_input, "a body is pulled by two at once");
    if (std::exchange(x.expects_continue, false)) {
        h2_fields fields;
        fields.set_response(response_head(status::continue_), {});
        session_.interim(x, fields);
        flush_later();
    }
    struct pulling_guard {
        h2_exchange& x;
        std::uint64_t serial;
        ~pulling_guard() {
            if (x.serial.load(std::memory_order_relaxed) == serial) x.pulling = false;
        }
    } guard{x, serial};
    x.pulling = true;
    for (;;) {
        const bool gives_way = x.in_a_row >= fair_share;
        if (!gives_way) {
            if (!x.in.empty()) {
                weft::bytes piece = session_.pull(x, largest_piece);
                flush_later();  // the window update, when there is one
                x.delivered += piece.size();
                x.in_a_row += piece.size();
                if (x.delivered > settings_.max_body)
                    throw failure(failure_kind::rejected, "the body is larger than it may be")
                        .with("limit", static_cast<long long>(settings_.max_body))
                        .detail(answer_with{status::content_too_large});
                co_return piece;
            }
            if (x.ended) {
                trailers = x.head.take_trailers();
                x.held = false;
                x.serial.fetch_add(1, std::memory_order_acq_rel);
                on_body_released(x);
                co_return std::nullopt;
            }
            if (x.closed || over_)
                throw failure(
                    failure_kind::unavailable,
                    input_end() ? *input_end() : io::error_code(asio::error::connection_reset),
                    "the stream ended within the body")
                    .in(failure_domain::transport)
                    .with("code", nghttp2_http2_strerror(x.error))
                    .with("received", static_cast<long long>(x.delivered));
            x.limit_reached = false;
            x.limit.arm_after(settings_.body_timeout);
        } else {
            // A peer that sends as fast as it is read would hold the loop.
            asio::post(executor(), [keep, &x] { x.input_changed.wake(); });
        }
        x.in_a_row = 0;
        const auto from = context().clock().now();
        co_await x.input_changed.wait();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (stale()) throw ended_connection();
        if (!gives_way) x.limit.disarm();
        if (state.cancelled() != asio::cancellation_type::none)
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "a pull of the body");
        if (gives_way) continue;
        if (x.limit_reached && x.in.empty() && !x.ended && !x.closed)
            throw failure(failure_kind::timeout, "no more of the body came")
                .in(failure_domain::transport)
                .with("limit_ms", settings_.body_timeout.count())
                .with("received", static_cast<long long>(x.delivered))
                .detail(
                    answer_with{of_requests() ? status::request_timeout : status::gateway_timeout});
        x.waited += context().clock().now() - from;
        check_rate(x);
    }
}

// What goes out -----------------------------------------------------------------------------------

void h2_connection::watch_sending(h2_exchange& x) {
    if (x.sent || x.closed || x.send_limit.armed()) return;
    x.out_total = sent_of(x);
    x.send_limit.arm_after(write_timeout);
}

void h2_connection::drop_limit_reached(h2_exchange& x) noexcept {
    try {
        on_drop_limit(x);
    } catch (...) {
        abort();  // no memory to say so
    }
}

/// The time is over in which the peer had to take something of what is sent to it. The connection's
/// own limit is for who takes nothing at all; this one is for windows that stay shut.
void h2_connection::stalled(h2_exchange& x) noexcept {
    h2_connection& c = x.connection;
    auto keep = c.shared_from_this();
    if (!x.in_use || x.closed || x.sent || (x.out.empty() && !x.out_ended)) return;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(c.write_timeout).count();
    const std::uint64_t least = std::max<std::uint64_t>(
        1, std::min<std::uint64_t>(
               c.settings_.min_stream_rate * static_cast<std::uint64_t>(seconds), high_water));
    try {
        if (sent_of(x) - x.out_total >= least) return c.watch_sending(x);
        x.stuck = true;
        c.reset(x, NGHTTP2_CANCEL);
    } catch (...) {
        c.abort();  // no memory for the reset
    }
}

awaitable<bool> h2_connection::send_content(h2_exchange& x, http::body& content,
                                            std::optional<std::uint64_t> size) {
    std::size_t in_a_row = 0;
    const auto open = [&] { return !x.closed && !over_; };
    while (std::optional<weft::bytes> chunk = co_await content.next()) {
        if (!open()) co_return false;
        if (size) {
            if (chunk->size() > *size) co_return false;  // more than was announced
            *size -= chunk->size();
        }
        in_a_row += chunk->size();
        session_.push(x, std::move(*chunk));
        watch_sending(x);
        flush_later();
        if (in_a_row >= fair_share && x.out.size() <= high_water) {
            // A peer that takes it as fast as it is made would hold the loop.
            in_a_row = 0;
            asio::post(executor(), [keep = shared_from_this(), &x] { x.room.wake(); });
            co_await x.room.wait();
        }
        while (x.out.size() > high_water && open()) {
            in_a_row = 0;
            co_await x.room.wait();
            const auto state = co_await asio::this_coro::cancellation_state;
            if (state.cancelled() != asio::cancellation_type::none) co_return false;
        }
        if (!open()) co_return false;
    }
    if (size.value_or(0) != 0) co_return false;
    headers trailers;
    if (headers* fields = content.trailers()) trailers = std::move(*fields);
    session_.end(x, std::move(trailers));
    watch_sending(x);
    flush_later();
    co_return true;
}

}  // namespace weft::http::detail
