// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_client.hpp"

#include "interim_port.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/h1/encoder.hpp>
#include <weft/io/prefixed.hpp>
#include <weft/runtime/with_deadline.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <string>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t high_water = 64 * 1024;  // of output that the peer has not taken
constexpr std::size_t unread_body =
    64 * 1024;  // of a dropped body, thrown away to keep the connection
constexpr std::size_t produce_ahead = 16 * 1024;

h1::limits limits_of(const client_options& o) {
    h1::limits limits;
    limits.header_block = o.max_header_block;
    limits.fields = o.max_fields;
    return limits;
}

}  // namespace

h1_client_connection::h1_client_connection(io::stream connection,
                                           std::shared_ptr<const client_options> options)
    : byte_pump(std::move(connection)),
      options_(std::move(options)),
      limits_(limits_of(*options_)),
      decoder_(limits_),
      inbound_(*this, {options_->body_timeout, 0}) {
    write_timeout = options_->write_timeout;
    inbound_.on_release = [this] { released(); };
}

/// A byte that was not asked for, or an end that has come meanwhile, is seen here and not after the
/// request is sent. (While a read waits, it is the one who tells.)
bool h1_client_connection::is_ready() {
    looked_ = true;
    if (idle() && try_input(input_buffer::small / 2)) reusable_ = false;
    return idle();
}

void h1_client_connection::start_idling() {
    idling_ = true;
    shrink();
    arm_limit(options_->idle_timeout);
    want_input();
}

void h1_client_connection::drain() {
    reusable_ = false;
    if (busy_) return;
    idling_ = false;
    close();
}

void h1_client_connection::on_input() {
    if (!idling_) return;
    reusable_ = false;  // the server has closed it, or speaks out of turn
    on_limit();
}

void h1_client_connection::on_limit() {
    if (!idling_) return;
    idling_ = false;
    reusable_ = false;
    close();
    if (on_change) on_change(*this);
}

/// Whoever keeps it for later must not look for it on an executor that is no more.
void h1_client_connection::on_abandoned() noexcept {
    if (!idling_) return;
    idling_ = reusable_ = false;
    if (on_change) on_change(*this);
}

void h1_client_connection::fail(failure f) {
    reusable_ = false;
    throw std::move(f);
}

// The exchange ------------------------------------------------------------------------------------

/// Throws what keeps an exchange from beginning: nothing is sent then.
void h1_client_connection::check_may_begin(const request& r) {
    const bool ready = looked_ ? idle() : is_ready();
    looked_ = false;
    if (!ready) {
        if (!busy_) {
            reusable_ = false;
            close();
            if (on_change) on_change(*this);
        }
        throw failure(failure_kind::unavailable, "the connection cannot take another request")
            .in(failure_domain::transport)
            .delivered(delivery::not_sent);
    }
    if (r.method() == method::connect && r.extensions().get<extended_connect>()) {
        if (on_change) on_change(*this);  // it is as good as before
        throw failure(failure_kind::invalid_input,
                      "an extended CONNECT needs HTTP/2, and the connection speaks HTTP/1.1")
            .in(failure_domain::protocol)
            .delivered(delivery::not_sent);
    }
}

awaitable<response> h1_client_connection::exchange(request* r) {
    auto keep = shared_from_this();
    idling_ = false;
    disarm_limit();
    check_may_begin(*r);
    busy_ = true;
    const std::uint64_t sent_before = sent_bytes();
    const std::uint64_t received_before = received();
    std::exception_ptr thrown;
    try {
        send(*r);
        answer got;
        for (bool limited = false; !take_head(*r, got);) {
            want_input();
            if (!limited && !uploading_ && (unsent() == 0 || output_end())) {
                limited = true;
                arm_limit(options_->response_timeout);
            }
            co_await changed.wait();
            const auto state = co_await asio::this_coro::cancellation_state;
            check_waiting(state.cancelled() != asio::cancellation_type::none, limited);
        }
        const bool leaves = got.traits.body.how == h1::framing::kind::upgrade;
        response result = open(*r, std::move(got));
        if (leaves) result.set_upgraded(co_await leave_http());
        co_return result;
    } catch (...) {
        thrown = std::current_exception();
    }
    reusable_ = false;
    stop_upload();
    inbound_.detach();
    close();
    busy_ = false;
    const bool sent = sent_bytes() != sent_before;
    if (on_change) on_change(*this);
    failure why =
        failure::from(std::move(thrown)).delivered(sent ? delivery::unknown : delivery::not_sent);
    if (received() == received_before) why = std::move(why).detail(unanswered{});
    throw std::move(why);
}

void h1_client_connection::send(request& r) {
    const http::method& method = r.method();
    std::optional<std::uint64_t> size = r.body().size();
    const bool wants_content =
        method == method::post || method == method::put || method == method::patch;
    h1::framing framing = h1::framing::none();
    if (!size)
        framing = h1::framing::chunked();
    else if (*size > 0 || wants_content)
        framing = h1::framing::sized(*size);
    if (!size && r.headers().content_length())
        framing = h1::framing::sized(*r.headers().content_length());
    if (framing.empty()) r.headers().erase(field::expect);  // RFC 9110 10.1.1: only with content
    const bool expects = !framing.empty() && r.headers().has_token(field::expect, "100-continue");

    h1::head_options head;
    head.body = framing;
    if (r.headers().contains(field::upgrade)) head.connection = h1::connection::upgrade;
    reusable_ = reusable_ && !r.headers().has_token(field::connection, "close");
    if (!reusable_) head.connection = h1::connection::close;
    h1::append(out.text(), r.head(), head);
    if (expects)
        continue_.reset();
    else
        continue_.set();
    upload_failure_ = nullptr;
    const weft::bytes* const whole = r.body().in_memory();
    const bool at_once = framing.empty() || (whole && !expects);
    if (at_once && !framing.empty()) out.append(*whole);
    flush();
    if (!at_once) start_upload(content_of(r), framing);
}

/// Whether the head has come, as far as what is here says.
bool h1_client_connection::take_head(const request& r, answer& got) {
    for (;;) {
        const auto progress =
            in.empty() ? h1::progress::need_more : decoder_.decode(in.data(), r.method());
        if (progress == h1::progress::failed)
            fail(failure(failure_kind::protocol,
                         "the response is refused: " + decoder_.error().message())
                     .with("reason", to_string(decoder_.error().why())));
        if (progress == h1::progress::need_more) break;
        got.traits = decoder_.traits();
        in.consume(decoder_.consumed());
        got.head = decoder_.take_head();
        const http::status s = got.head.status();
        if (s == status::continue_) continue_.set();
        if (s.is_informational() && s != status::switching_protocols) {
            tell_interim(r, got.head);
            continue;
        }
        disarm_limit();
        return true;
    }
    if (input_end()) {
        if (upload_failure_) std::rethrow_exception(upload_failure_);
        fail(failure(failure_kind::unavailable, *input_end(),
                     "the server closed the connection before it answered")
                 .in(failure_domain::transport));
    }
    if (upload_failure_) std::rethrow_exception(upload_failure_);
    if (output_end()) stop_upload();  // the server takes no more, but it may have answered
    if (output_end() == io::error_code(asio::error::timed_out))
        fail(failure(failure_kind::timeout, "the server does not take the request")
                 .in(failure_domain::transport)
                 .with("limit_ms", options_->write_timeout.count()));
    return false;
}

void h1_client_connection::check_waiting(bool cancelled, bool limited) {
    if (cancelled)
        fail(failure(failure_kind::cancelled, asio::error::operation_aborted,
                     "the exchange was cancelled"));
    if (limited && limit_reached())
        fail(failure(failure_kind::timeout, "the server did not answer in time")
                 .in(failure_domain::transport)
                 .with("limit_ms", options_->response_timeout.count()));
}

/// The response, with its body unless it leaves HTTP.
response h1_client_connection::open(const request& r, answer got) {
    const h1::traits& traits = got.traits;
    if (!traits.keep_alive) reusable_ = false;
    weft::extensions facts = r.extensions().fork();
    facts.set_egress(stream().extensions().link());
    response result(std::move(got.head), {}, std::move(facts));
    if (traits.body.how == h1::framing::kind::upgrade) {
        if (result.status() == 101 && !r.headers().contains(field::upgrade))
            fail(failure(failure_kind::protocol,
                         "the server switches protocols, which was not asked for"));
        return result;
    }
    const bool sent = !uploading_ && unsent() == 0;
    if (traits.body.how == h1::framing::kind::length && traits.body.length <= in.size() && sent) {
        // All of it is here: nobody has to wait for who reads it, or does not.
        result.set_body(http::body(in.take(static_cast<std::size_t>(traits.body.length))));
        released();
        return result;
    }
    result.set_body(inbound_.open(traits.body, limits_));
    if (!inbound_.is_open()) released();
    return result;
}

awaitable<io::stream> h1_client_connection::leave_http() {
    reusable_ = false;
    while (unsent() > 0 && !output_end()) co_await changed.wait();
    cancel_read();
    while (reading()) co_await changed.wait();
    weft::bytes ahead = in.take(in.size());
    io::stream taken = release();
    busy_ = false;
    if (on_change) on_change(*this);
    if (!ahead.empty()) taken = io::prefixed(std::move(ahead), std::move(taken));
    co_return taken;
}

/// The response's body has come to its end, or was dropped.
void h1_client_connection::released() {
    if (!busy_) return;
    auto keep = shared_from_this();
    if (inbound_.is_open() && reusable_) {
        // Dropped: what is here already may be thrown away to keep the connection, but nothing is
        // waited for.
        std::size_t dropped = 0;
        try {
            while (inbound_.is_open() && dropped <= unread_body) {
                const h1_inbound::piece piece = inbound_.step();
                if (piece.need_more) break;
                if (piece.data) dropped += piece.data->size();
            }
        } catch (const failure&) {
            reusable_ =
                false;  // refused or cut off: nobody wanted to know, and the connection ends here
        }
    }
    // An answer before the request was sent to its end: the rest of it is not sent.
    if (uploading_ || unsent() > 0) reusable_ = false;
    if (inbound_.is_open() || inbound_.failed() || input_end() || output_end() || !in.empty())
        reusable_ = false;
    inbound_.detach();
    stop_upload();
    busy_ = false;
    if (!reusable_) close();
    if (on_change) on_change(*this);
}

// The request's content ---------------------------------------------------------------------------

void h1_client_connection::start_upload(http::body content, h1::framing framing) {
    auto self = std::static_pointer_cast<h1_client_connection>(shared_from_this());
    uploading_ = true;
    upload_begun_ = upload_stopped_ = false;
    asio::co_spawn(
        get_executor(), upload(std::move(content), framing),
        asio::bind_cancellation_slot(upload_signal_.slot(), [self](std::exception_ptr e) {
            self->uploading_ = false;
            self->upload_begun_ = false;
            if (e && !self->upload_stopped_) {
                // A message that is cut off cannot be mended: the server must not take it for
                // whole.
                self->upload_failure_ = e;
                self->reusable_ = false;
                self->end_output();
            }
            self->changed.wake();
        }));
}

void h1_client_connection::stop_upload() {
    if (!uploading_ || std::exchange(upload_stopped_, true)) return;
    if (upload_begun_) upload_signal_.emit(asio::cancellation_type::terminal);
    continue_.set();
    output_changed.wake();
}

/// RFC 9110 10.1.1: a server may never answer the expectation, so the wait has an end.
awaitable<void> h1_client_connection::wait_for_continue() {
    std::exception_ptr thrown;
    try {
        co_await with_deadline(options_->continue_timeout, continue_.wait());
    } catch (...) {
        thrown = std::current_exception();
    }
    if (thrown && failure::from(thrown).kind() != failure_kind::timeout)
        std::rethrow_exception(thrown);
}

awaitable<void> h1_client_connection::upload(http::body content, h1::framing framing) {
    auto keep = shared_from_this();
    upload_begun_ = true;
    if (!continue_.is_set()) co_await wait_for_continue();
    const bool chunked = framing.how == h1::framing::kind::chunked;
    std::uint64_t left = framing.length;
    while (!output_end() && !upload_stopped_) {
        std::optional<weft::bytes> chunk = co_await content.next();
        if (!chunk) break;
        if (!chunked) {
            if (chunk->size() > left)
                throw failure(failure_kind::invalid_input,
                              "the body is longer than its Content-Length")
                    .with("content_length", static_cast<long long>(framing.length));
            left -= chunk->size();
        }
        if (chunked)
            out.append_chunked(std::move(*chunk));
        else
            out.append(std::move(*chunk));
        if (out.size() >= produce_ahead)
            flush();
        else
            flush_later();
        while (unsent() > high_water && !output_end() && !upload_stopped_)
            co_await output_changed.wait();
    }
    if (output_end() || upload_stopped_)
        co_return;  // the server takes no more: it may have answered already
    if (!chunked && left != 0)
        throw failure(failure_kind::invalid_input, "the body is shorter than its Content-Length")
            .with("content_length", static_cast<long long>(framing.length));
    if (chunked) {
        if (const headers* trailers = content.trailers())
            h1::append_last_chunk(out.text(), *trailers);
        else
            out.append(h1::last_chunk);
    }
    flush();
}

}  // namespace weft::http::detail
