// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What an HTTP/1 server sends, and what it does with what is left of a request.
#include "h1_server.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/prefixed.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <string>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t unread_body =
    64 * 1024;  // of a body that nobody wants, read to keep the connection
constexpr std::size_t produce_ahead =
    16 * 1024;  // of a body that is made without waiting, before it is sent
constexpr std::size_t fair_share =
    64 * 1024;  // of a body that is made and taken without waiting, before others have their turn
constexpr std::size_t drop_room = 8 * 1024;  // read and dropped in one go

}  // namespace

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
            if (chunked)
                out.append_chunked(std::move(*chunk));
            else
                out.append(std::move(*chunk));
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
