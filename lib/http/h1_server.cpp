// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_server.hpp"

#include "negotiated.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/prefixed.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t high_water = 64 * 1024;  // of output that the peer has not taken
constexpr std::size_t read_ahead = 4 * 1024;   // of requests behind the one that is being handled
constexpr std::size_t unread_body =
    64 * 1024;  // of a body that nobody wants, read to keep the connection
constexpr std::size_t produce_ahead =
    16 * 1024;  // of a body that is made without waiting, before it is sent
constexpr std::size_t fair_share =
    64 * 1024;  // of a body that is made and taken without waiting, before others have their turn
constexpr std::size_t drop_room = 8 * 1024;  // read and dropped in one go
constexpr std::string_view h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Under drain: for the first request of who has connected just now.
constexpr std::chrono::milliseconds first_request{1000};

h1::limits limits_of(const server_options& o) {
    h1::limits limits;
    limits.start_line = o.max_request_line;
    limits.header_block = o.max_header_block;
    limits.fields = o.max_fields;
    limits.body = o.max_body;
    return limits;
}

}  // namespace

h1_server_connection::h1_server_connection(io::stream connection, any_app app,
                                           std::shared_ptr<const server_options> options)
    : byte_pump(std::move(connection)),
      app_(std::move(app)),
      mark_(context().mark()),
      shared_options_(std::move(options)),
      options_(*shared_options_),
      limits_(limits_of(options_)),
      decoder_(limits_),
      inbound_(*this, {options_.body_timeout, options_.min_body_rate, true}),
      report_(stream().extensions(), options_.on_failure),
      began_(context().clock().now()) {
    // Over TLS it is ALPN that says so (RFC 9113, 3.2).
    sniffing_ = options_.speak_http2 && !is_secure(stream().extensions());
    write_timeout = options_.write_timeout;
    min_send_rate = options_.min_send_rate;
    inbound_.on_release = [this] { watch_peer(); };
}

// The child and its cancellation ------------------------------------------------------------------

awaitable<void> h1_server_connection::serve() {
    auto self = std::static_pointer_cast<h1_server_connection>(shared_from_this());
    auto start = [self](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) {
            slot.assign([weak = std::weak_ptr(self)](asio::cancellation_type) {
                if (auto alive = weak.lock())
                    asio::dispatch(alive->get_executor(), [alive] { alive->stop(); });
            });
        }
        asio::co_spawn(
            self->get_executor(), self->run(),
            asio::bind_cancellation_slot(self->signal_.slot(), [self, handler = std::move(handler)](
                                                                   std::exception_ptr e) mutable {
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

void h1_server_connection::stop() {
    stopping_ = true;
    cancel_handler();
    abort();
    changed.wake();
}

void h1_server_connection::drain() {
    auto self = std::static_pointer_cast<h1_server_connection>(shared_from_this());
    asio::dispatch(get_executor(), [self] { self->start_draining(); });
}

void h1_server_connection::start_draining() {
    if (std::exchange(draining_, true)) return;
    // Who has connected just now has a request on the way, and may have been told to come here.
    const auto left = first_request - (context().clock().now() - began_);
    if (!asked_ && phase_ == phase::head && !decoder_.started() && left > left.zero()) {
        answer_one_ = true;
        arm_limit(std::chrono::ceil<std::chrono::milliseconds>(left));
    }
    changed.wake();
}

void h1_server_connection::cancel_handler() {
    if (phase_ != phase::handling || !started_ || cancelled_) return;
    cancelled_ = true;
    signal_.emit(asio::cancellation_type::terminal);
}

void h1_server_connection::on_input() {
    if (phase_ != phase::handling) return;
    if (!input_end()) return watch_peer();
    // The peer is gone, or wants nothing more: nobody waits for what the handler makes.
    if (!options_.half_close || *input_end() != asio::error::eof) cancel_handler();
}

/// That a peer goes away is seen by a read alone, so one is pending while a handler runs: but not
/// while it has a body to pull, and not further ahead than a little.
void h1_server_connection::watch_peer() {
    if (phase_ == phase::handling && !(inbound_.is_open() && inbound_.is_held()) &&
        in.size() < read_ahead)
        want_input();
}

// The driver --------------------------------------------------------------------------------------

awaitable<void> h1_server_connection::run() {
    auto self = shared_from_this();
    started_ = true;
    if (stopping_) co_return close();
    // What most requests pass through is in here and in plain functions: each coroutine would cost
    // them a frame, and an idle connection the frame that waits.
    for (;;) {
        head_limits limits;
        auto head = next_head(limits);
        while (head == found::nothing) {
            co_await changed.wait();
            head = next_head(limits);
        }
        if (head == found::end) break;
        if (head == found::http_2) {
            disarm_limit();
            weft::bytes ahead = in.take(in.size());
            http_2_.emplace(handover{release(), std::move(ahead)});
            co_return;
        }
        request_facts facts;
        request r = make_request(facts);
        if (phase_ == phase::closing) break;  // refused
        begin_handling();
        if (mark_) mark_->called(r.method().text(), r.target());
        std::optional<response> answer;
        std::exception_ptr thrown;
        try {
            answer = co_await app_.serve(std::move(r));
        } catch (...) {
            thrown = std::current_exception();
        }
        // Here and not in a function: a coroutine that is cancelled cannot await another one. When
        // the handler did not answer, nobody waits for it.
        if (std::exchange(cancelled_, false)) {
            keep_alive_ = false;
            co_await asio::this_coro::reset_cancellation_state(
                asio::enable_terminal_cancellation());
        } else if (thrown) {
            answer = answer_to(std::move(thrown));
        }
        if (!answer || stopping_ || output_end() ||
            (input_end() && *input_end() != asio::error::eof))
            break;
        const http::status s = answer->status();
        const bool takes = facts.connect_method && s.is_success();
        if (answer->upgrade() || s.is_informational() || takes) {
            const bool asked = takes || (facts.traits.upgrade && s == status::switching_protocols);
            if (answer->upgrade() && asked && !facts.head_method &&
                co_await finish_request_body()) {
                co_await hand_over(std::move(*answer), facts.connect_method);
                co_return close();
            }
            if (stopping_ || output_end()) break;
            answer = text("the application answered what the request did not ask for\n",
                          status::internal_server_error);
        }
        bool sent = true;
        if (const auto to_make = begin_response(*answer, facts)) {
            sent = co_await send_chunks(answer->body(), *to_make);
            if (std::exchange(cancelled_, false)) {
                keep_alive_ = false;
                co_await asio::this_coro::reset_cancellation_state(
                    asio::enable_terminal_cancellation());
            }
        } else if (unsent() > high_water) {
            flush();
            while (unsent() > high_water && !output_end()) co_await changed.wait();
        }
        answer.reset();  // its body may be the request's
        if (!sent || output_end()) {
            abort();
            break;
        }
        bool goes_on = keep_alive_;
        if (goes_on && !facts.traits.body.empty()) {
            goes_on = co_await finish_request_body();
            if (goes_on) inbound_.detach();
        }
        if (!goes_on) {
            phase_ = phase::closing;
            break;
        }
    }
    const bool lingers = phase_ == phase::closing;
    phase_ = phase::closing;
    inbound_.detach();
    // Not before the peer has what was made for it.
    if (!output_end() && !stopping_) co_await sent();
    if (lingers && !output_end() && !stopping_) co_await linger();
    close();
}

/// Whether the client speaks HTTP/2 without having said so (RFC 9113 3.3): its preface looks like
/// the head of a request that HTTP/1 does not have.
h1_server_connection::preface h1_server_connection::look_for_http_2() {
    if (in.empty()) return preface::none;
    const std::string_view start = in.data().substr(0, h2_preface.size());
    if (!h2_preface.starts_with(start)) {
        sniffing_ = false;
        return preface::none;
    }
    return start.size() == h2_preface.size() ? preface::whole : preface::begun;
}

std::optional<h1_server_connection::handover> h1_server_connection::take_http_2() {
    return std::exchange(http_2_, std::nullopt);
}

/// Looks for a whole head in what has come. When there is none, sees to it that more comes.
h1_server_connection::found h1_server_connection::next_head(head_limits& limits) {
    phase_ = phase::head;
    const preface seen = sniffing_ ? look_for_http_2() : preface::none;
    if (seen == preface::whole) return found::http_2;
    const auto progress =
        in.empty() || seen == preface::begun ? h1::progress::need_more : decoder_.decode(in.data());
    if (progress == h1::progress::complete) {
        disarm_limit();
        answer_one_ = false;
        asked_ = true;
        idle_since_.store(0, std::memory_order_relaxed);
        return found::head;
    }
    if (progress == h1::progress::failed) {
        const h1::error& error = decoder_.error();
        reject(error.status(), error.message());
        return found::end;
    }
    const bool begun = decoder_.started() || seen == preface::begun;
    // What came at the last moment counts.
    if ((begun ? limits.head : limits.idle) && limit_reached()) {
        if (begun) reject(status::request_timeout, "the head of the request took too long");
        return found::end;
    }
    flush();  // what pipelined requests left leaves in one write
    if (input_end() || output_end() || stopping_) return found::end;
    if (draining_ && !answer_one_ && !begun) {
        // A last look at what the pending read has not brought yet.
        if (reading()) {
            cancel_read();
            return found::nothing;
        }
        if (!try_input(input_buffer::small / 2) || in.empty()) return found::end;
        return next_head(limits);
    }
    want_input();
    if (begun && !limits.head) {
        limits.head = true;
        idle_since_.store(0, std::memory_order_relaxed);
        arm_limit(options_.header_timeout);
    } else if (!begun && !limits.idle) {
        limits.idle = true;
        idle_since_.store(coarse_now(), std::memory_order_relaxed);
        if (unsent() == 0) shrink();
        arm_limit(answer_one_ ? first_request : options_.idle_timeout);
    }
    return found::nothing;
}

request h1_server_connection::make_request(request_facts& facts) {
    facts.traits = decoder_.traits();
    in.consume(decoder_.consumed());
    request_head head = decoder_.take_head();
    facts.version = head.version();
    facts.head_method = head.method() == method::head;
    facts.connect_method = head.method() == method::connect;
    keep_alive_ = facts.traits.keep_alive && !draining_;
    if (facts.traits.expect == h1::expectation::unknown) {
        reject(status::expectation_failed, "only 100-continue can be expected");
        return {};
    }
    http::body content = inbound_.open(facts.traits.body, limits_);
    if (facts.traits.expect == h1::expectation::continue_ && inbound_.is_open() && in.empty())
        inbound_.hold_until_pulled();
    extensions facts_of_request;
    facts_of_request.set_ingress(stream().extensions().link());
    request r(std::move(head), std::move(content), std::move(facts_of_request));
    report_.begin(r, call_);
    return r;
}

void h1_server_connection::begin_handling() {
    phase_ = phase::handling;
    if (in.size() < read_ahead) want_input();
    if (input_end())  // known before: what the handler does without waiting is still answered
        asio::post(get_executor(), [self = std::static_pointer_cast<h1_server_connection>(
                                        shared_from_this())] { self->on_input(); });
    if (!out.empty()) flush_later();  // earlier responses do not wait for a slow handler
}

/// What the client gets when the application threw.
response h1_server_connection::answer_to(std::exception_ptr thrown) {
    const failure f = failure::from(std::move(thrown));
    const http::status s = status_of(f);
    report_.threw(f, s, call_);
    response answer = text(std::string(s.reason()) + "\n", s);
    if (auto wait = f.retry_after()) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait).count();
        answer.headers().set(field::retry_after, std::to_string(seconds));
    }
    return answer;
}

// Writing -----------------------------------------------------------------------------------------

void h1_server_connection::append_head(const response& r, h1::framing framing, h1::connection say) {
    h1::head_options options;
    options.body = framing;
    options.connection = say;
    options.date = date_.now(context());
    h1::append(out.text(), r.head(), options);
}

void h1_server_connection::reject(const http::status& s, std::string_view why) {
    phase_ = phase::closing;
    keep_alive_ = false;
    report_.refused(s, why);
    response r = text(std::string(why) + "\n", s);
    append_head(r, h1::framing::sized(r.body().size().value_or(0)), h1::connection::close);
    out.append(*r.body().in_memory());
    flush();
}

/// Writes the head, and a content that lies in memory. Another one is still to be made: then its
/// framing is answered.
std::optional<h1::framing> h1_server_connection::begin_response(const response& r,
                                                                const request_facts& facts) {
    const http::status s = r.status();
    const bool old = facts.version == version::http_1_0;
    std::optional<std::uint64_t> size = r.body().size();
    // Without content the length is the application's to know (RFC 9110 8.6).
    const bool unseen = facts.head_method || s == status::not_modified;
    if ((!size || (unseen && size == std::uint64_t{0})) && r.headers().content_length())
        size = r.headers().content_length();
    h1::framing framing = h1::framing::none();
    if (s == status::no_content) {
    } else if (size) {
        if (*size > 0 || s != status::not_modified) framing = h1::framing::sized(*size);
    } else if (!old) {
        framing = h1::framing::chunked();
    } else {
        framing = h1::framing::until_close();
        keep_alive_ = false;
    }
    const bool content = !facts.head_method && !s.forbids_content();
    // A large body that nobody is going to read costs the connection.
    if (inbound_.is_open() && !inbound_.is_held() &&
        (inbound_.waits_for_continue() || inbound_.decoder().remaining() > unread_body))
        keep_alive_ = false;
    if (inbound_.failed() || draining_ || (input_end() && in.empty())) keep_alive_ = false;
    // What the client sends after a CONNECT may be for the tunnel that it did not get.
    if (facts.connect_method) keep_alive_ = false;
    if (r.headers().has_token(field::connection, "close")) keep_alive_ = false;
    const auto say = !keep_alive_ ? h1::connection::close
                     : old        ? h1::connection::keep_alive
                                  : h1::connection::unsaid;
    // The response may be made of the request's body: after its head no interim response can be
    // sent any more.
    if (inbound_.is_open() && inbound_.is_held()) inbound_.let_continue();
    append_head(r, framing, say);
    report_.answered(s);
    const weft::bytes* whole = r.body().in_memory();
    if (content && !whole) return framing;
    phase_ = phase::sending;  // nothing is left that could be cancelled
    if (content) out.append(*whole);
    return std::nullopt;
}

awaitable<bool> h1_server_connection::send_chunks(http::body& content, h1::framing framing) {
    const bool chunked = framing.how == h1::framing::kind::chunked;
    std::uint64_t left = framing.length;
    std::size_t in_a_row = 0;
    std::exception_ptr thrown;
    flush_later();  // the head does not wait for a content that takes its time
    try {
        while (std::optional<weft::bytes> chunk = co_await content.next()) {
            in_a_row += chunk->size();
            if (framing.how == h1::framing::kind::length) {
                if (chunk->size() > left)
                    co_return false;  // more than was announced: the message is broken
                left -= chunk->size();
            }
            if (chunked) {
                char size[h1::max_chunk_header];
                out.append(std::string_view(
                    size,
                    static_cast<std::size_t>(h1::write_chunk_header(size, chunk->size()) - size)));
            }
            out.append(std::move(*chunk));
            if (chunked) out.append(h1::chunk_end);
            if (out.size() >= produce_ahead)
                flush();
            else
                flush_later();
            if (in_a_row >= fair_share) {
                // A peer that takes it as fast as it is made would hold the loop.
                in_a_row = 0;
                wake_later();
                co_await changed.wait();
            }
            while (unsent() > high_water && !output_end() && !stopping_ && !cancelled_) {
                in_a_row = 0;
                co_await changed.wait();
            }
            if (output_end() || stopping_ || cancelled_) co_return false;
        }
    } catch (...) {
        thrown = std::current_exception();
    }
    phase_ = phase::sending;
    if (thrown) {
        // A body that is made of the request's breaks off with it.
        if (!cancelled_ && !stopping_ && !inbound_.failed())
            report_.broke_off(failure::from(std::move(thrown)), call_);
        co_return false;
    }
    if (framing.how == h1::framing::kind::length && left != 0) co_return false;
    if (chunked) {
        if (const headers* trailers = content.trailers())
            h1::append_last_chunk(out.text(), *trailers);
        else
            out.append(h1::last_chunk);
    }
    co_return true;
}

/// Reads what is left of the request's body, when it is little; false when the connection cannot be
/// kept.
awaitable<bool> h1_server_connection::finish_request_body() {
    phase_ = phase::sending;
    if (inbound_.failed()) co_return false;
    if (!inbound_.is_open()) co_return true;
    if (inbound_.waits_for_continue()) co_return false;
    inbound_.take_over();
    flush();
    std::size_t dropped = 0;
    std::exception_ptr thrown;
    arm_limit(options_.linger_timeout);
    try {
        while (dropped <= unread_body) {
            h1_inbound::piece piece = inbound_.step();
            if (piece.need_more) {
                if (limit_reached() || stopping_ || output_end()) co_return false;
                want_input();
                co_await changed.wait();
            } else if (piece.data) {
                dropped += piece.data->size();
            } else {
                disarm_limit();
                co_return true;
            }
        }
    } catch (...) {
        thrown = std::current_exception();  // refused or cut off: the connection ends here
    }
    co_return false;
}

awaitable<void> h1_server_connection::sent() {
    flush();
    while (unsent() > 0 && !output_end()) co_await changed.wait();
}

/// RFC 9112 9.6: closing with input unread would reset the connection, and take the response with
/// it.
awaitable<void> h1_server_connection::linger() {
    if (input_end() && in.empty()) co_return;
    io::error_code ec;
    if (!stream().try_shutdown_send(ec) && ec != asio::error::would_block) co_return;
    arm_limit(options_.linger_timeout);
    while (!input_end() && !limit_reached() && !stopping_) {
        in.consume(in.size());
        // Not as long as there is something: a peer that goes on sending would hold the loop, and
        // the limit would never come.
        want_input(drop_room);
        co_await changed.wait();
    }
}

awaitable<void> h1_server_connection::hand_over(response r, bool connect_method) {
    inbound_.detach();
    append_head(r, h1::framing::upgrade(),
                connect_method ? h1::connection::unsaid : h1::connection::upgrade);
    co_await sent();
    cancel_read();
    while (reading()) co_await changed.wait();
    if (output_end() || stopping_) co_return;
    weft::bytes ahead = in.take(in.size());
    io::stream taken = release();
    if (!ahead.empty()) taken = io::prefixed(std::move(ahead), std::move(taken));
    phase_ = phase::handling;
    std::exception_ptr thrown;
    try {
        co_await r.upgrade()->serve(std::move(taken));
    } catch (...) {
        thrown = std::current_exception();
    }
    phase_ = phase::closing;  // what it throws is its own affair: HTTP is over
}

}  // namespace weft::http::detail
