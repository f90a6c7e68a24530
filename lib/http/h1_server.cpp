// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_server.hpp"

#include "negotiated.hpp"
#include <weft/core/failure.hpp>

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

constexpr std::size_t read_ahead = 4 * 1024;  // of requests behind the one that is being handled
constexpr std::string_view h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
    stream().extensions().insert(interim_link{self});
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

void h1_server_connection::drain(std::shared_ptr<server_connection> self) {
    asio::dispatch(get_executor(), [this, self = std::move(self)] { start_draining(); });
}

void h1_server_connection::send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                                        response_head head) {
    asio::dispatch(get_executor(), [this, self = std::move(self), exchange, h = std::move(head)] {
        if (!informs_ || exchange != exchange_ || unsent() > room) return;
        try {
            h1::append(out.text(), h, {});
            flush_later();
        } catch (...) {
            abort();  // no memory for it
        }
    });
}

void h1_server_connection::start_draining() {
    if (std::exchange(draining_, true)) return;
    // Who has connected just now has a request on the way, and may have been told to come here.
    const auto left = first_word - (context().clock().now() - began_);
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
        number(r, ++exchange_);
        informs_ = facts.version != version::http_1_0;
        try {
            answer = co_await app_.serve(std::move(r));
        } catch (...) {
            thrown = std::current_exception();
        }
        informs_ = false;
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
            const bool upgrades = answer->upgrade() && asked && !facts.head_method;
            if (upgrades && co_await finish_request_body()) {
                co_await hand_over(std::move(*answer), facts.connect_method);
                co_return close();
            }
            if (stopping_ || output_end()) break;
            answer = text(upgrades ? "the application upgraded without having read the request\n"
                                   : "the application answered what the request did not ask for\n",
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
    if (!output_end() && !stopping_) {
        if (lingers) stream().end_follows();
        co_await sent();
    }
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
        if (unsent() == 0) shrink();
        arm_limit(answer_one_ ? first_word : options_.idle_timeout);
        idle_since_.store(context().deadlines().coarse_milliseconds(),
                          std::memory_order_relaxed);  // as fresh as the limit
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

}  // namespace weft::http::detail
