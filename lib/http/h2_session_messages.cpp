// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
//
// What the driver asks of a session.
#include "h2_session.hpp"

#include <new>
#include <utility>

namespace weft::http::detail {

// Messages ----------------------------------------------------------------------------------------

bool h2_session::request(h2_stream& s, const h2_fields& fields, bool content) {
    if (over_) return false;
    const nghttp2_data_provider p = content_of(s);
    const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                   content ? &p : nullptr, &s);
    if (id == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (id < 0) return false;
    s.id = id;
    s.closed = false;
    if (!content) s.out_ended = true;
    return true;
}

void h2_session::respond(h2_stream& s, const h2_fields& fields, bool content) {
    if (s.closed || over_) return;
    const nghttp2_data_provider p = content_of(s);
    check(nghttp2_submit_response(session_, s.id, fields.data(), fields.size(),
                                  content ? &p : nullptr));
    if (!content) s.out_ended = true;
}

void h2_session::interim(h2_stream& s, const h2_fields& fields) {
    if (s.closed || over_) return;
    check(nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, s.id, nullptr, fields.data(),
                                 fields.size(), nullptr));
}

void h2_session::resume(h2_stream& s) {
    if (std::exchange(s.deferred, false) && !s.closed && !over_)
        (void)nghttp2_session_resume_data(session_, s.id);  // gone meanwhile: nothing to resume
}

void h2_session::push(h2_stream& s, weft::bytes chunk) {
    s.out.push(std::move(chunk));
    resume(s);
}

void h2_session::end(h2_stream& s, http::headers trailers) {
    s.trailers = std::move(trailers);
    s.out_ended = true;
    resume(s);
}

void h2_session::reset(h2_stream& s, std::uint32_t code) {
    if (s.closed || over_) return;
    s.given_up = true;
    check(nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, s.id, code));
}

void h2_session::consume(const h2_stream& s, std::size_t n) {
    if (n == 0 || over_) return;
    check(s.closed ? nghttp2_session_consume_connection(session_, n)
                   : nghttp2_session_consume(session_, s.id, n));
}

weft::bytes h2_session::pull(h2_stream& s, std::size_t most) {
    weft::bytes part = s.in.pop(most);
    consume(s, part.size());
    return part;
}

void h2_session::drop(h2_stream& s) {
    const std::size_t n = s.in.size();
    s.in.clear();
    consume(s, n);
}

// The connection ----------------------------------------------------------------------------------

void h2_session::ping(std::uint8_t mark) {
    if (over_) return;
    check(nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, opaque_of(mark).data()));
}

void h2_session::announce_end() {
    if (!over_ && role_ == role::server) check(nghttp2_submit_shutdown_notice(session_));
}

void h2_session::end_soon(std::uint32_t code) {
    if (over_) return;
    check(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(session_), code, nullptr,
                                0));
}

std::uint32_t h2_session::peer_setting(nghttp2_settings_id id) const noexcept {
    return nghttp2_session_get_remote_settings(session_, id);
}

bool h2_session::may_request() const noexcept {
    return !over_ && nghttp2_session_check_request_allowed(session_) != 0;
}

}  // namespace weft::http::detail
