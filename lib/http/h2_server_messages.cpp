// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What a server makes of a stream, and a stream of a response.
#include "h2_server.hpp"
#include "h2_tunnel.hpp"
#include <weft/core/failure.hpp>
#include <weft/io/duplex.hpp>
#include <weft/runtime/event.hpp>
#include <weft/runtime/scope.hpp>

#include <boost/asio/dispatch.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace weft::http::detail {

namespace asio = boost::asio;

namespace {

constexpr std::size_t interim_frames = 100;  // that wait to be sent: no more hints then

}  // namespace

request h2_server_connection::make_request(h2_exchange& x, worker& w, http::body& tunnelled) {
    const request_head& seen = x.head.request();
    x.head_request = seen.method() == method::head;
    x.is_connect = seen.method() == method::connect;
    http::body content = open_body(x);
    x.expects_continue = x.held && seen.headers().has_token(field::expect, "100-continue");
    extensions facts;
    facts.set_ingress(stream().extensions().link());
    if (!x.head.protocol().empty()) facts.insert(extended_connect{x.head.protocol()});
    // What comes behind a CONNECT is for the tunnel.
    if (x.is_connect) tunnelled = std::exchange(content, {});
    request r(x.head.take_request(), std::move(content), std::move(facts));
    number(r, static_cast<std::uint32_t>(x.id));
    x.informs = true;
    if (report_.is_heard()) {
        // The request is gone when the application has thrown; this is what its name is made of.
        w.method = r.method();
        w.target.assign(r.target());
    }
    return r;
}

void h2_server_connection::send_interim(std::shared_ptr<interim_port> self, std::uint32_t exchange,
                                        response_head head) {
    asio::dispatch(get_executor(), [this, self = std::move(self), exchange, h = std::move(head)] {
        auto* const x =
            static_cast<h2_exchange*>(session_.find(static_cast<std::int32_t>(exchange)));
        if (!x || !x->informs) return;
        const std::size_t waiting = session_.waiting_frames();
        if (waiting == 0) hinted_ = 0;
        if (unsent() + hinted_ > room ||
            waiting > std::min(interim_frames, server_options_.h2.limits.waiting_frames / 2))
            return;
        try {
            fields_.set_response(h, {});
            session_.interim(*x, fields_);
            hinted_ += field_cost(h.headers());
            flush_later();
        } catch (...) {
            abort();  // no memory for it
        }
    });
}

std::string h2_server_connection::name_of(const worker& w) {
    if (w.target.empty()) return {};  // nobody will hear of it
    request_head head;
    head.set_method(w.method);
    head.set_target(w.target);
    return request(std::move(head), {}, {}).call_name();
}

/// Sends the head, and a content that lies in memory. True: another one is still to be made.
bool h2_server_connection::begin_response(h2_exchange& x, const worker* w, response& r,
                                          std::optional<std::uint64_t>& size) {
    http::status s = r.status();
    if (s.is_informational() || r.upgrade()) {
        // 101 does not exist (RFC 9113 8.6), and a tunnel only where one was asked for.
        r = text("the application answered what the request did not ask for\n",
                 status::internal_server_error);
        s = r.status();
        report_.threw(failure(failure_kind::internal, "an upgrade that was not asked for"), s,
                      w ? name_of(*w) : std::string());
    }
    size = r.body().size();
    // Without content the length is the application's to know (RFC 9110 8.6).
    const bool unseen = x.head_request || s == status::not_modified;
    if ((!size || (unseen && size == std::uint64_t{0})) && r.headers().content_length())
        size = r.headers().content_length();
    const bool content = !x.head_request && !s.forbids_content();
    h2_fields::extra e;
    e.date = date_.now(context());
    e.length = size;
    if (s == status::no_content || (s == status::not_modified && size == std::uint64_t{0}))
        e.length = std::nullopt;
    // The response may be made of the request's content: after its head no interim response can be
    // sent any more.
    if (x.held && std::exchange(x.expects_continue, false)) {
        fields_.set_response(response_head(status::continue_), {});
        session_.interim(x, fields_);
    }
    fields_.set_response(r.head(), e);
    const weft::bytes* whole = r.body().in_memory();
    const bool has_content = content && !(whole && whole->empty());
    if (has_content && whole) session_.push(x, *whole);
    if (!has_content || whole) x.out_ended = true;
    session_.respond(x, fields_, has_content);
    report_.answered(s);
    flush_later();
    if (has_content) watch_sending_later(x);
    return has_content && !whole;
}

/// What the client gets when the application threw.
response h2_server_connection::answer_to(std::exception_ptr thrown, const worker& w) {
    const failure f = failure::from(std::move(thrown));
    const http::status s = status_of(f);
    report_.threw(f, s, name_of(w));
    response answer = text(std::string(s.reason()) + "\n", s);
    if (auto wait = f.retry_after()) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*wait).count();
        answer.headers().set(field::retry_after, std::to_string(seconds));
    }
    return answer;
}

/// What can be said without the application; false when it is the application's.
bool h2_server_connection::refuse(h2_exchange& x) {
    int code = x.head.refusal();
    std::string_view why = x.head.why();
    if (code == 0) {
        const auto length = x.head.request().headers().content_length();
        const auto expected = x.head.request().headers().get(field::expect);
        if (length && *length > server_options_.max_body) {
            code = 413;
            why = "the body is larger than it may be";
        } else if (expected &&
                   !x.head.request().headers().has_token(field::expect, "100-continue")) {
            code = 417;
            why = "only 100-continue can be expected";
        }
    }
    if (code == 0) return false;
    const http::status s(code);
    report_.refused(s, why);
    response r = text(std::string(why) + "\n", s);
    x.unwanted = true;
    x.head_request = x.head.request().method() == method::head;
    std::optional<std::uint64_t> size;
    (void)begin_response(x, nullptr, r, size);
    return true;
}

/// RFC 9113 8.5, RFC 8441: the stream's two directions are a connection, until the application
/// returns and what it wrote has been sent.
awaitable<void> h2_server_connection::tunnel(h2_exchange& x, response r, http::body content) {
    h2_fields::extra e;
    e.date = date_.now(context());
    fields_.set_response(r.head(), e);
    session_.respond(x, fields_, true);
    report_.answered(r.status());
    flush_later();
    auto [near, far] = io::duplex(executor());
    auto end = std::make_shared<io::stream>(std::move(far));
    io::stream given = std::move(near);
    std::exception_ptr thrown;
    event sent;  // outlives the body of the scope, which may throw
    try {
        co_await with_scope([&](task_scope& s) -> awaitable<void> {
            s.spawn(tunnel_in(std::move(content), end));
            s.spawn([&]() -> awaitable<void> {
                http::body out = tunnel_out(end);
                bool whole = false;
                try {
                    whole = co_await send_content(x, out, std::nullopt);
                } catch (const failure&) {
                    whole = false;  // the application broke it off
                }
                if (!whole) {
                    end->abort();
                    reset(x, NGHTTP2_CONNECT_ERROR);
                }
                sent.set();
            });
            co_await r.upgrade()->serve(std::move(given));
            co_await sent.wait();
        });
    } catch (...) {
        thrown = std::current_exception();  // its own affair: HTTP is over
    }
    if (thrown) reset(x, NGHTTP2_CANCEL);
}

}  // namespace weft::http::detail
