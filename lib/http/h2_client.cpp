// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_client.hpp"

#include "h2_tunnel.hpp"
#include "interim_port.hpp"
#include "negotiated.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

/// What may be left of a body that is dropped, and how long that may take: a reset costs the server
/// more, and it counts them.
constexpr std::uint64_t unread_body = 64 * 1024;
constexpr std::chrono::milliseconds unread_wait{1000};

h2_connection::settings settings_of(const client_options& o) {
    h2_connection::settings s;
    s.role = h2_session::role::client;
    s.head = {0, o.max_header_block, o.max_fields, o.h2.limits.header_bomb};
    s.header_timeout = o.handshake_timeout;  // the server's SETTINGS, too
    s.idle_timeout = o.idle_timeout;
    s.body_timeout = o.body_timeout;
    return s;
}

}  // namespace

h2_client_connection::h2_client_connection(io::stream connection, const client_options& options)
    : h2_connection(std::move(connection), options.h2, settings_of(options)),
      client_options_(options) {
    write_timeout = options.write_timeout;
}

std::size_t h2_client_connection::available() {
    if (!usable() || !session_.may_request()) return 0;
    const std::size_t most =
        std::min<std::size_t>(session_.peer_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
                              client_options_.h2.max_concurrent_streams);
    return most - std::min(most, open_exchanges());
}

bool h2_client_connection::usable() const noexcept {
    return usable_ && !is_over() && !draining() && !input_end() && !output_end() &&
           session_.may_request();
}

void h2_client_connection::tell() {
    if (on_change) on_change(*this);
}

void h2_client_connection::on_peer() {
    // Who waits for the SETTINGS; others are woken by what comes for them.
    for_each([](h2_exchange& x) {
        if (!x.head_sent) x.changed.wake();
    });
    tell();
}

void h2_client_connection::start_idling() {
    idle_limited_ = true;
    watch();
}

void h2_client_connection::drain() {
    usable_ = false;
    if (open_exchanges() == 0) return close();
    session_.end_soon();
    flush_later();
}

void h2_client_connection::close() {
    usable_ = false;
    if (!is_over()) {
        session_.end_soon();
        gather();
        flush();
    }
    finish();
}

void h2_client_connection::on_over() {
    usable_ = false;
    vanished_ = input_end() || (output_end() && *output_end() != asio::error::timed_out);
    auto keep = shared_from_this();
    for_each([&](h2_exchange& x) {
        if (!x.closed) {
            x.closed = true;
            x.error = NGHTTP2_INTERNAL_ERROR;
        }
        x.settled = true;
        x.input_changed.wake();
        x.changed.wake();
        stop_upload(x);
        finished(x);
    });
    h2_connection::close();
    tell();
}

/// Whoever keeps it for later must not look for it on an executor that is no more.
void h2_client_connection::on_abandoned() noexcept {
    h2_connection::on_abandoned();
    if (!std::exchange(usable_, false)) return;
    tell();
}

// The exchange ------------------------------------------------------------------------------------

awaitable<response> h2_client_connection::exchange(request* r) {
    auto keep = shared_from_this();
    if (available() == 0)
        throw failure(failure_kind::unavailable, "the connection cannot take another request")
            .in(failure_domain::transport)
            .delivered(delivery::not_sent);
    idle_limited_ = false;
    h2_exchange& x = take_exchange();
    ++x.busy;
    std::exception_ptr thrown;
    try {
        co_return co_await run(*r, x);
    } catch (...) {
        thrown = std::current_exception();
    }
    failure f = failure::from(std::move(thrown));
    const bool refused = x.closed && x.error == NGHTTP2_REFUSED_STREAM;
    const bool not_sent = !x.head_sent || refused;
    if (vanished_ && !x.answered) f = std::move(f).detail(unanswered{});
    stop_upload(x);
    reset(x, NGHTTP2_CANCEL);
    detach(x);
    --x.busy;
    finished(x);
    throw std::move(f).delivered(not_sent ? delivery::not_sent : delivery::unknown);
}

awaitable<response> h2_client_connection::run(request& r, h2_exchange& x) {
    const http::method method = r.method();
    const auto* extended = r.extensions().get<extended_connect>();
    x.head_request = method == method::head;
    x.is_connect = method == method::connect;
    std::optional<std::uint64_t> size = r.body().size();
    if (!size) size = r.headers().content_length();
    const bool wants_content =
        method == method::post || method == method::put || method == method::patch;
    const bool content = !x.is_connect && !(r.body().size() == std::uint64_t{0});
    if (!content) r.headers().erase(field::expect);  // RFC 9110 10.1.1: only with content
    const bool expects = content && r.headers().has_token(field::expect, "100-continue");

    if (x.is_connect && extended) co_await wait_for_extended_connect(x);
    h2_fields::extra e;
    if (content || wants_content) e.length = size;
    e.order = client_options_.h2.pseudo_header_order;
    if (is_secure(stream().extensions())) e.scheme = "https";
    if (x.is_connect && extended) e.protocol = extended->protocol;
    fields_.set_request(r.head(), e);
    x.keeps_interim = r.extensions().get<on_interim>() != nullptr;
    if (!session_.request(x, fields_, content || x.is_connect))
        throw failure(failure_kind::unavailable, "the connection takes no more requests")
            .in(failure_domain::transport);
    x.settled = false;
    const weft::bytes* whole = r.body().in_memory();
    if (content && whole && !expects) {
        session_.push(x, *whole);
        session_.end(x);
        watch_sending_later(x);
    } else if (content) {
        // What is begun is seen to have begun, also when its content breaks off at once.
        gather();
        flush();
        start_upload(x, content_of(r), size);
        if (!expects) x.upload->may_send.set();
    }
    flush_later();

    co_await wait_for_head(x, r);
    extensions facts = r.extensions().fork();
    facts.set_egress(stream().extensions().link());
    const bool connected = x.is_connect && x.head.response().status().is_success();
    io::stream tunnel;
    http::body answer;
    if (connected)
        tunnel = open_tunnel(x);
    else
        answer = open_body(x);
    response result(x.head.take_response(), std::move(answer), std::move(facts));
    if (connected) result.set_upgraded(std::move(tunnel));
    --x.busy;
    if (!x.held) {
        // Answered in full. What is left of the request is not wanted, and not sent.
        if (!x.closed) {
            stop_upload(x);
            reset(x, NGHTTP2_CANCEL);
        }
        finished(x);
    } else if (x.upload && !x.upload->may_send.is_set()) {
        stop_upload(x);  // the expectation was turned down
    }
    co_return result;
}

/// RFC 8441 3: not before the server has said that it takes one.
awaitable<void> h2_client_connection::wait_for_extended_connect(h2_exchange& x) {
    while (!session_.settings_came()) {
        if (is_over()) throw why_closed(x);
        co_await x.changed.wait();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "the exchange was cancelled");
    }
    if (session_.peer_setting(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 0)
        throw failure(failure_kind::rejected, "the server does not take an extended CONNECT")
            .in(failure_domain::protocol);
}

awaitable<void> h2_client_connection::wait_for_head(h2_exchange& x, const request& r) {
    bool limited = false;
    for (;;) {
        x.interim_size = 0;
        for (const response_head& head : std::exchange(x.interim, {})) tell_interim(r, head);
        if (x.head_came) {
            x.limit.disarm();
            if (x.head.refusal() != 0)
                throw failure(failure_kind::protocol,
                              "the response is refused: " + std::string(x.head.why()));
            co_return;
        }
        if (x.upload && x.upload->failed) std::rethrow_exception(x.upload->failed);
        if (x.closed || is_over()) throw why_closed(x);
        if (!limited && (x.sent || x.is_connect)) {
            limited = true;
            x.limit_reached = false;
            x.limit.arm_after(client_options_.response_timeout);
        }
        co_await x.changed.wait();
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            throw failure(failure_kind::cancelled, asio::error::operation_aborted,
                          "the exchange was cancelled");
        if (limited && x.limit_reached && !x.head_came)
            throw failure(failure_kind::timeout, "the server did not answer in time")
                .in(failure_domain::transport)
                .with("limit_ms", client_options_.response_timeout.count());
    }
}

failure h2_client_connection::why_closed(const h2_exchange& x) const {
    if (x.too_large)
        return failure(failure_kind::invalid_input, "the header section is too large to be sent");
    if (cut_off_for_ && !session_.settings_came())
        return failure(failure_kind::timeout, "the server did not answer in HTTP/2 in time")
            .in(failure_domain::transport)
            .with("limit_ms", client_options_.handshake_timeout.count());
    if (cut_off_for_)
        return failure(failure_kind::protocol, "the server was cut off").with("why", cut_off_for_);
    if (x.stuck || (output_end() && *output_end() == asio::error::timed_out))
        return failure(failure_kind::timeout, "the server does not take the request")
            .in(failure_domain::transport)
            .with("limit_ms", client_options_.write_timeout.count());
    if (x.error == NGHTTP2_REFUSED_STREAM)
        return failure(failure_kind::unavailable, "the server did not look at the request")
            .in(failure_domain::transport);
    if (x.error == NGHTTP2_PROTOCOL_ERROR)
        return failure(failure_kind::protocol, "the response is refused")
            .with("code", nghttp2_http2_strerror(x.error));
    const io::error_code code =
        input_end() ? *input_end() : io::error_code(asio::error::connection_reset);
    return failure(failure_kind::unavailable, code,
                   "the server ended the stream before it answered")
        .in(failure_domain::transport)
        .with("code", nghttp2_http2_strerror(x.error));
}

void h2_client_connection::on_head(h2_exchange& x) {
    if (x.continued && x.upload) x.upload->may_send.set();
    if (x.head_came || !x.interim.empty()) x.changed.wake();
}

void h2_client_connection::on_closed(h2_exchange& x) {
    stop_upload(x);  // it may wait for room, or for its source, for ever
    finished(x);
}

/// The response's body has come to its end, or was dropped.
void h2_client_connection::on_body_released(h2_exchange& x) {
    if (near_its_end(x)) {
        x.let_end = true;
        x.limit.arm_after(unread_wait);
    } else if (!x.closed) {
        // Dropped, or an answer before the request was sent to its end: nobody wants the rest.
        stop_upload(x);
        reset(x, NGHTTP2_CANCEL);
    }
    finished(x);
}

/// Whether it costs less to take the rest of a dropped body than to break it off. One of unknown
/// length may have no end.
bool h2_client_connection::near_its_end(const h2_exchange& x) noexcept {
    return !x.closed && !x.ended && x.sent && x.announced &&
           *x.announced - std::min(*x.announced, x.delivered + x.received) <= unread_body;
}

void h2_client_connection::on_drop_limit(h2_exchange& x) {
    if (x.in_use) reset(x, NGHTTP2_CANCEL);
}

void h2_client_connection::finished(h2_exchange& x) {
    const std::size_t before = open_exchanges();
    release(x);
    if (open_exchanges() != before) {
        flush_later();
        tell();
    }
}

// The request's content ---------------------------------------------------------------------------

void h2_client_connection::start_upload(h2_exchange& x, http::body content,
                                        std::optional<std::uint64_t> size) {
    auto self = std::static_pointer_cast<h2_client_connection>(shared_from_this());
    auto state = std::make_shared<h2_upload>();
    x.upload = state;
    ++x.busy;
    asio::co_spawn(
        executor(), send_upload(x, std::move(content), size, state),
        asio::bind_cancellation_slot(state->signal.slot(), [self, &x, state](std::exception_ptr e) {
            state->over = true;
            if (e && !state->stopped) {
                // A message that is cut off must not be taken for whole.
                state->failed = e;
                self->reset(x, NGHTTP2_CANCEL);
            }
            x.changed.wake();
            --x.busy;
            self->finished(x);
        }));
}

void h2_client_connection::stop_upload(h2_exchange& x) {
    const auto state = x.upload;
    if (!state || state->over || std::exchange(state->stopped, true)) return;
    if (state->begun) state->signal.emit(asio::cancellation_type::terminal);
    state->may_send.set();
    x.room.wake();
}

awaitable<void> h2_client_connection::send_upload(h2_exchange& x, http::body content,
                                                  std::optional<std::uint64_t> size,
                                                  std::shared_ptr<h2_upload> state) {
    auto keep = shared_from_this();
    state->begun = true;
    if (!state->may_send.is_set()) {
        // RFC 9110 10.1.1: a server may never answer the expectation, so the wait has an end.
        std::exception_ptr thrown;
        try {
            co_await with_deadline(client_options_.continue_timeout, state->may_send.wait());
        } catch (...) {
            thrown = std::current_exception();
        }
        if (thrown && failure::from(thrown).kind() != failure_kind::timeout)
            std::rethrow_exception(thrown);
    }
    if (state->stopped || x.closed) co_return;
    const bool whole = co_await send_content(x, content, size);
    if (!whole && !x.closed && !state->stopped)
        throw failure(failure_kind::invalid_input,
                      "the body is not as long as its Content-Length says")
            .with("content_length", static_cast<long long>(size.value_or(0)));
}

io::stream h2_client_connection::open_tunnel(h2_exchange& x) {
    auto [near, far] = io::duplex(executor());
    auto end = std::make_shared<io::stream>(std::move(far));
    auto self = std::static_pointer_cast<h2_client_connection>(shared_from_this());
    http::body incoming = open_body(x);
    ++x.busy;
    asio::co_spawn(executor(), tunnel_in(std::move(incoming), end), [self, &x](std::exception_ptr) {
        --x.busy;
        self->finished(x);
    });
    start_upload(x, tunnel_out(end), std::nullopt);
    x.upload->may_send.set();
    return std::move(near);
}

}  // namespace weft::http::detail
