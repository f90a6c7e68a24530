// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_session.hpp"

#include <weft/core/failure.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

namespace weft::http::detail {

namespace {

/// A chunk below this is copied: a slice would keep a whole block of input for it.
constexpr std::size_t worth_a_slice = 8 * 1024;
constexpr std::size_t frame_head = 9;
/// Content up to this size is copied into its frame.
constexpr std::size_t worth_a_buffer = output_queue::copied;
constexpr std::uint32_t smallest_max_frame = 16 * 1024;
constexpr std::size_t most_interim = 64 * 1024;  // of interim responses that wait to be told
constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct deleter {
    void operator()(nghttp2_option* o) const noexcept { nghttp2_option_del(o); }
    void operator()(nghttp2_session_callbacks* c) const noexcept {
        nghttp2_session_callbacks_del(c);
    }
};

std::string_view view(const std::uint8_t* data, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

// What nghttp2 calls. C code: nothing may be thrown through it -----------------------------------

struct h2_session::calls {
    static h2_session& self(void* user) noexcept { return *static_cast<h2_session*>(user); }

    template <class F>
    static int guarded(F f) noexcept {
        try {
            return f();
        } catch (...) {
            return NGHTTP2_ERR_CALLBACK_FAILURE;  // no memory: the connection ends
        }
    }

    /// nghttp2 forgives late frames; see h2_history. It does not ask for DATA that it forgives.
    static int begin_frame(nghttp2_session* s, const nghttp2_frame_hd* hd, void* user) noexcept {
        if (hd->type != NGHTTP2_HEADERS) return 0;
        h2_session& me = self(user);
        const std::int32_t id = hd->stream_id;
        if (me.role_ != role::server || id % 2 == 0) return 0;
        if (me.history_.begins(id) || me.find(id) || me.history_.was_reset(id)) return 0;
        return nghttp2_session_terminate_session(
            s, me.history_.was_skipped(id) ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED);
    }

    static int invalid_frame(nghttp2_session*, const nghttp2_frame* f, int, void* user) noexcept {
        self(user).history_.reset(f->hd.stream_id);
        return 0;
    }

    static int begin_headers(nghttp2_session* s, const nghttp2_frame* f, void* user) noexcept {
        return guarded([&] {
            h2_session& me = self(user);
            if (me.role_ == role::server && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
                h2_stream* const x = me.owner_.new_stream();
                x->id = f->hd.stream_id;
                x->closed = false;
                nghttp2_session_set_stream_user_data(s, x->id, x);
                me.recent_ = x;
                x->head.begin(h2_head_builder::kind::request, me.limits_, me.authority_);
            } else if (h2_stream* const x = me.find(f->hd.stream_id)) {
                x->head.begin(x->head_came ? h2_head_builder::kind::trailers
                                           : h2_head_builder::kind::response,
                              me.limits_, me.authority_);
            }
            return 0;
        });
    }

    static int header(nghttp2_session*, const nghttp2_frame* f, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t, void* user) noexcept {
        return guarded([&] {
            h2_stream* x = self(user).find(f->hd.stream_id);
            if (!x) return 0;
            switch (x->head.add(view(name, name_size), view(value, value_size))) {
                case h2_head_builder::verdict::fine:
                    return 0;
                case h2_head_builder::verdict::malformed:
                    return static_cast<int>(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE);
                case h2_head_builder::verdict::bomb:
                    self(user).too_much_ = "a header section is far too large";
                    break;
            }
            return static_cast<int>(NGHTTP2_ERR_CALLBACK_FAILURE);
        });
    }

    /// RFC 9113 8.2.1: a message with a malformed field is malformed as a whole.
    static int invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*,
                              std::size_t, const std::uint8_t*, std::size_t, std::uint8_t,
                              void*) noexcept {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    /// What is told at the end of the turn: hints, so what is beyond a limit is not kept.
    static void keep_interim(h2_stream& x) {
        if (x.head.refusal() != 0 || x.interim_size + x.head.size() > most_interim) return;
        x.interim_size += x.head.size();
        x.interim.push_back(x.head.take_response());
    }

    static int frame_recv(nghttp2_session*, const nghttp2_frame* f, void* user) noexcept {
        return guarded([&] {
            h2_session& me = self(user);
            switch (f->hd.type) {
                case NGHTTP2_HEADERS:
                    if (h2_stream* x = me.find(f->hd.stream_id)) {
                        const bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
                        if (x->head_came) {
                            x->ended = end;
                            me.note(h2_event::kind::input, x);
                            break;
                        }
                        (void)x->head.finish();
                        x->answered = true;
                        x->head_came =
                            me.role_ == role::server || x->head.response().status().code() >= 200;
                        x->ended = end;
                        // Told apart here: by the time of the event a later head may have come.
                        if (!x->head_came && x->head.response().status() == status::continue_)
                            x->continued = true;
                        if (!x->head_came && x->keeps_interim) keep_interim(*x);
                        me.note(h2_event::kind::head, x);
                    }
                    break;
                case NGHTTP2_DATA:
                    if (h2_stream* x = me.find(f->hd.stream_id);
                        x && (f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
                        x->ended = true;
                        me.note(h2_event::kind::input, x);
                    }
                    break;
                case NGHTTP2_SETTINGS:
                    if (f->hd.flags & NGHTTP2_FLAG_ACK) break;
                    me.settings_came_ = true;
                    me.note(h2_event::kind::settings);
                    break;
                case NGHTTP2_GOAWAY:
                    me.note(h2_event::kind::goaway);
                    break;
                case NGHTTP2_PING:
                    if (const std::uint8_t* const text = f->ping.opaque_data;
                        (f->hd.flags & NGHTTP2_FLAG_ACK) &&
                        std::equal(text, text + 8, opaque_of(text[7]).begin()))
                        me.note(h2_event::kind::pong, nullptr, text[7]);
                    break;
                default:
                    break;
            }
            return 0;
        });
    }

    static int data(nghttp2_session* s, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                    std::size_t size, void* user) noexcept {
        return guarded([&] {
            h2_session& me = self(user);
            h2_stream* x = me.find(id);
            if (!x) {
                check(nghttp2_session_consume_connection(s, size));
                return 0;
            }
            const std::string_view piece = view(data, size);
            const std::string_view all = me.in_->data();
            if (size >= worth_a_slice && piece.data() >= all.data() &&
                piece.data() + size <= all.data() + all.size()) {
                me.in_->consume(static_cast<std::size_t>(piece.data() - all.data()));
                x->in.push(me.in_->take(size));
            } else {
                x->in.push_copy(piece);
            }
            me.note(h2_event::kind::input, x);
            return 0;
        });
    }

    static int closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) noexcept {
        return guarded([&] {
            h2_stream* x = self(user).find(id);
            if (!x) return 0;
            x->closed = true;
            x->error = code;
            self(user).note(h2_event::kind::closed, x);
            return 0;
        });
    }

    static int frame_sent(nghttp2_session*, const nghttp2_frame* f, void* user) noexcept {
        return guarded([&] {
            h2_session& me = self(user);
            const auto type = f->hd.type;
            if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA && type != NGHTTP2_RST_STREAM)
                return 0;
            h2_stream* x = me.find(f->hd.stream_id);
            if (type == NGHTTP2_RST_STREAM) {
                me.history_.reset(f->hd.stream_id);
                const bool blamed = f->rst_stream.error_code != NGHTTP2_NO_ERROR &&
                                    f->rst_stream.error_code != NGHTTP2_CANCEL &&
                                    !(x && x->given_up);
                if (blamed && me.role_ == role::server && !me.guard_.reset(me.now_ms_))
                    me.too_much_ = "too many streams were broken";
                return 0;
            }
            if (!x) return 0;
            if (type == NGHTTP2_HEADERS) x->head_sent = true;
            if (type == NGHTTP2_DATA) me.guard_.sent_data();
            if (f->hd.flags & NGHTTP2_FLAG_END_STREAM) {
                x->sent = true;
                me.note(h2_event::kind::sent, x);
            }
            return 0;
        });
    }

    /// A head that is larger than a header block may be leaves its stream as it is: who waits for
    /// it would do so for ever. (A request's is closed by nghttp2.)
    static int frame_not_sent(nghttp2_session* s, const nghttp2_frame* f, int why,
                              void* user) noexcept {
        return guarded([&] {
            if (f->hd.type != NGHTTP2_HEADERS || why != NGHTTP2_ERR_FRAME_SIZE_ERROR) return 0;
            h2_stream* x = self(user).find(f->hd.stream_id);
            if (!x) return 0;
            x->too_large = x->given_up = true;
            if (f->headers.cat != NGHTTP2_HCAT_REQUEST)
                check(
                    nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, x->id, NGHTTP2_INTERNAL_ERROR));
            self(user).note(h2_event::kind::too_large, x);
            return 0;
        });
    }

    // Content that goes out: how much, and then where to.

    static ssize_t read(nghttp2_session* s, std::int32_t, std::uint8_t* memory, std::size_t length,
                        std::uint32_t* flags, nghttp2_data_source* source, void* user) noexcept {
        auto* x = static_cast<h2_stream*>(source->ptr);
        const std::size_t n = std::min(length, x->out.size());
        if (n == 0 && !x->out_ended) {
            x->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        }
        const bool last = x->out_ended && n == x->out.size();
        if (n <= worth_a_buffer) {
            // Into the frame: cheaper than a slice and a buffer of the write.
            x->out.pop_copy(memory, n);
            const int result = guarded([&] {
                self(user).note_taken(*x, n);
                return 0;
            });
            if (result != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
        } else {
            *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        }
        if (!last) return static_cast<ssize_t>(n);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!x->trailers.empty()) {
            const int result = guarded([&] {
                h2_fields& fields = self(user).trailers_;
                fields.set_trailers(x->trailers);
                if (fields.size() == 0) return 0;
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                return nghttp2_submit_trailer(s, x->id, fields.data(), fields.size());
            });
            if (result != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        return static_cast<ssize_t>(n);
    }

    static int send_data(nghttp2_session*, nghttp2_frame*, const std::uint8_t* head,
                         std::size_t length, nghttp2_data_source* source, void* user) noexcept {
        return guarded([&] {
            h2_session& me = self(user);
            auto* x = static_cast<h2_stream*>(source->ptr);
            me.out_->append(view(head, frame_head));
            me.note_taken(*x, length);
            while (length > 0) {
                weft::bytes part = x->out.pop(length);
                length -= part.size();
                me.out_->append(std::move(part));
            }
            return 0;
        });
    }

    static nghttp2_session_callbacks* all() {
        nghttp2_session_callbacks* c = nullptr;
        check(nghttp2_session_callbacks_new(&c));
        nghttp2_session_callbacks_set_on_begin_frame_callback(c, begin_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, invalid_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(c, begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(c, header);
        nghttp2_session_callbacks_set_on_invalid_header_callback(c, invalid_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_recv);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data);
        nghttp2_session_callbacks_set_on_stream_close_callback(c, closed);
        nghttp2_session_callbacks_set_on_frame_send_callback(c, frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(c, frame_not_sent);
        nghttp2_session_callbacks_set_send_data_callback(c, send_data);
        return c;
    }
};

// The session -------------------------------------------------------------------------------------

h2_session::h2_session(role r, const h2_options& options, const h2_head_limits& limits, owner& o)
    : owner_(o),
      role_(r),
      limits_(limits),
      window_(options.connection_window != 0
                  ? options.connection_window
                  : std::min<std::uint64_t>(std::uint64_t{options.stream_window} *
                                                std::max(options.max_concurrent_streams, 1u),
                                            NGHTTP2_MAX_WINDOW_SIZE)),
      guard_(options.limits, r == role::server ? h2_guard::role::server : h2_guard::role::client),
      preface_left_(r == role::server ? preface.size() : 0) {
    nghttp2_option* option = nullptr;
    check(nghttp2_option_new(&option));
    const std::unique_ptr<nghttp2_option, deleter> keep_option(option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, options.limits.waiting_frames);
    const std::unique_ptr<nghttp2_session_callbacks, deleter> callbacks(calls::all());

    std::vector<nghttp2_settings_entry> settings;
    const auto say = [&](std::int32_t id, std::uint32_t value) { settings.push_back({id, value}); };
    if (options.header_table_size != 4096)
        say(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, options.header_table_size);
    if (r == role::client)
        say(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
    else
        say(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
    say(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window);
    if (options.max_frame_size > smallest_max_frame)
        say(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, options.max_frame_size);
    say(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.block));
    if (r == role::server) {
        if (options.extended_connect) say(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
        say(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
    }
    for (const auto& [id, value] : options.settings) say(id, value);

    nghttp2_mem memory = memory_.functions();
    check(r == role::server
              ? nghttp2_session_server_new3(&session_, callbacks.get(), this, option, &memory)
              : nghttp2_session_client_new3(&session_, callbacks.get(), this, option, &memory));
    const int sent =
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    const int opened = nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                             static_cast<std::int32_t>(window_));
    if (sent != 0 || opened != 0) {
        nghttp2_session_del(session_);
        check(sent);
        check(opened);
    }
}

h2_session::~h2_session() { nghttp2_session_del(session_); }

const char* h2_session::receive(input_buffer& in, std::uint64_t now_ms) {
    now_ms_ = now_ms;
    if (over_) {
        in.consume(in.size());
        return nullptr;
    }
    std::string_view input = in.data();
    const std::size_t hello = std::min(preface_left_, input.size());
    preface_left_ -= hello;
    in_ = &in;
    const char* too_much = hello > 0 ? feed(input.substr(0, hello)) : nullptr;
    input.remove_prefix(hello);
    while (!input.empty() && !too_much && !over_) {
        const h2_guard::sighting seen = guard_.inspect(input, now_ms);
        too_much = seen.too_much ? seen.too_much : feed(input.substr(0, seen.used));
        input.remove_prefix(seen.used);
        if (!too_much && seen.what != h2_guard::sighting::kind::nothing) judge(seen);
    }
    in_ = nullptr;
    in.consume(in.size());
    return too_much;
}

h2_stream* h2_session::find(std::int32_t id) noexcept {
    if (recent_ && recent_->id == id && !recent_->closed) return recent_;
    auto* const x = static_cast<h2_stream*>(nghttp2_session_get_stream_user_data(session_, id));
    if (x) recent_ = x;
    return x;
}

const char* h2_session::feed(std::string_view input) {
    const ssize_t n = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    if (n >= 0) return nullptr;
    if (n == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (n == NGHTTP2_ERR_FLOODED) return "too many answers wait to be sent";
    if (n == NGHTTP2_ERR_CALLBACK_FAILURE) return too_much_ ? too_much_ : "no memory";
    over_ = true;  // no HTTP/2 at all: there is nobody who would understand an answer
    return nullptr;
}

/// What nghttp2 forgives, or does not look at.
void h2_session::judge(const h2_guard::sighting& seen) {
    using kind = h2_guard::sighting::kind;
    if (role_ != role::server) return;
    const bool closed = seen.stream % 2 == 1 && seen.stream <= history_.last() &&
                        !find(seen.stream) && !history_.was_reset(seen.stream);
    if (seen.what == kind::data && closed)
        check(nghttp2_session_terminate_session(session_, NGHTTP2_STREAM_CLOSED));
    // Priorities are not used (RFC 9113 5.3.2), but their frames have rules.
    if (seen.what == kind::orphan_priority || seen.what == kind::circular_priority)
        check(nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR));
}

const char* h2_session::send(output_queue& out, std::size_t most) {
    if (over_) return nullptr;
    out_ = &out;
    while (out.size() < most) {
        const std::uint8_t* data = nullptr;
        const ssize_t n = nghttp2_session_mem_send(session_, &data);
        if (n > 0) {
            out.append(view(data, static_cast<std::size_t>(n)));
        } else {
            if (n < 0) over_ = true;
            break;
        }
    }
    out_ = nullptr;
    return too_much_;
}

bool h2_session::wants_write() const noexcept {
    return !over_ && nghttp2_session_want_write(session_) != 0;
}

bool h2_session::over() const noexcept {
    return over_ || (!nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_));
}

std::size_t h2_session::waiting_frames() const noexcept {
    return over_ ? 0 : nghttp2_session_get_outbound_queue_size(session_);
}

void h2_session::cut_off(output_queue& out, const char* why) {
    // By hand, because the session may have stopped in the middle of a frame.
    if (std::exchange(over_, true)) return;
    const auto last = static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(session_));
    const std::string_view text(why);
    std::string frame;
    const auto put = [&](std::uint32_t value, int octets) {
        for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8)
            frame.push_back(static_cast<char>(value >> shift & 0xff));
    };
    put(static_cast<std::uint32_t>(8 + text.size()), 3);
    put(NGHTTP2_GOAWAY, 1);
    put(0, 1);
    put(0, 4);
    put(last, 4);
    put(NGHTTP2_ENHANCE_YOUR_CALM, 4);
    out.append(std::string_view(frame.append(text)));
}

nghttp2_data_provider h2_session::content_of(h2_stream& s) noexcept {
    nghttp2_data_provider p;
    p.source.ptr = &s;
    p.read_callback = calls::read;
    return p;
}

void h2_session::check(int result) {
    if (result == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (result < 0)
        throw failure(failure_kind::internal, std::string("HTTP/2: ") + nghttp2_strerror(result));
}

}  // namespace weft::http::detail
