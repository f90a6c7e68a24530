// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include "h2_chunks.hpp"
#include "h2_guard.hpp"
#include "h2_history.hpp"
#include "h2_memory.hpp"
#include "h2_message.hpp"
#include "input_buffer.hpp"
#include "output_queue.hpp"
#include <weft/core/bytes.hpp>
#include <weft/http/h2_options.hpp>

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http::detail {

/// What the session knows of one stream. The driver's derives from it.
struct h2_stream {
    std::int32_t id = 0;
    h2_head_builder head;
    h2_chunks in;                        ///< content that came and was not taken
    h2_chunks out;                       ///< content that is to be sent
    http::headers trailers;              ///< to be sent behind it
    std::vector<response_head> interim;  ///< that came before the answer, when they are kept
    std::size_t interim_size = 0;        ///< of those
    std::uint64_t sent_bytes = 0;        ///< of `out`
    std::uint32_t error = 0;             ///< how it was closed
    bool keeps_interim = false;
    bool answered = false;   ///< something came in answer to it, if only an interim head
    bool head_came = false;  ///< and its final one, on a client
    bool continued = false;  ///< 100 came
    bool ended = false;      ///< the peer has sent all of it
    bool head_sent = false;
    bool out_ended = false;  ///< nothing will be added to `out`
    bool sent = false;       ///< we have sent all of it
    bool deferred = false;   ///< waits for more in `out`
    bool closed = true;      ///< HTTP/2 has done with it
    bool given_up = false;   ///< reset by us, and not because the peer broke a rule
    bool too_large = false;  ///< its head, or its trailers, to be sent
};

/// Something that happened, to be looked at once the session has returned.
struct h2_event {
    enum class kind : std::uint8_t {
        head,       ///< a whole head: a request's, or a response's (also an interim one)
        input,      ///< content, or the end of the message
        taken,      ///< some of `out` has been sent
        sent,       ///< all of the message has been sent
        too_large,  ///< a head or trailers of ours cannot be sent; the stream ends
        closed,     ///< the stream is over, see h2_stream::error
        settings,   ///< of the peer
        goaway,     ///< of the peer
        pong        ///< the answer to a ping() of ours
    };
    kind what;
    h2_stream* stream = nullptr;
    std::uint8_t mark = 0;  ///< of a pong
};

/// HTTP/2 of one connection: nghttp2 behind a class without a socket, a clock or a coroutine. Bytes
/// in, events out; messages in, bytes out. Nothing is called back but `new_stream`: who drives it
/// looks at `events` when a call has returned, and may call anything then.
class h2_session {
  public:
    enum class role : std::uint8_t { server, client };
    /// Who keeps the streams.
    class owner {
      public:
        virtual h2_stream* new_stream() = 0;

      protected:
        ~owner() = default;
    };

    h2_session(role r, const h2_options& options, const h2_head_limits& limits, owner& o);
    h2_session(const h2_session&) = delete;
    h2_session& operator=(const h2_session&) = delete;
    ~h2_session();

    std::vector<h2_event> events;

    /// Takes all that is in `in`. A peer that breaks the rules is answered by GOAWAY by itself;
    /// what is too much gives its reason, and the connection is to be cut off.
    [[nodiscard]] const char* receive(input_buffer& in, std::uint64_t now_ms);
    /// Puts frames into `out` until it holds about `most` bytes. The same answer as receive().
    [[nodiscard]] const char* send(output_queue& out, std::size_t most);
    /// Whether send() would have something to do.
    [[nodiscard]] bool wants_write() const noexcept;
    /// Nothing will come or go any more.
    [[nodiscard]] bool over() const noexcept;
    /// Whether a frame header block has begun that is not whole, or the preface is not.
    [[nodiscard]] bool in_header_block() const noexcept {
        return guard_.in_header_block() || preface_left_ > 0 || !settings_came_;
    }
    [[nodiscard]] bool settings_came() const noexcept { return settings_came_; }
    [[nodiscard]] std::size_t waiting_frames() const noexcept;
    /// Writes GOAWAY(ENHANCE_YOUR_CALM) behind what is in `out`, and is over.
    void cut_off(output_queue& out, const char* why);

    // Messages

    /// Begins a stream of a client; false when none can be begun any more.
    [[nodiscard]] bool request(h2_stream& s, const h2_fields& fields, bool content);
    void respond(h2_stream& s, const h2_fields& fields, bool content);
    void interim(h2_stream& s, const h2_fields& fields);
    void push(h2_stream& s, weft::bytes chunk);
    /// Ends what is being sent.
    void end(h2_stream& s, http::headers trailers = {});
    void reset(h2_stream& s, std::uint32_t code);
    /// Takes content that came; the peer may send as much again.
    [[nodiscard]] weft::bytes pull(h2_stream& s, std::size_t most);
    /// Throws away what came.
    void drop(h2_stream& s);

    // The connection

    void ping(std::uint8_t mark);
    /// The first step of a drain: streams that are under way to us are still taken. Nothing on a
    /// client: no stream is.
    void announce_end();
    /// The second one.
    void end_soon(std::uint32_t code = NGHTTP2_NO_ERROR);
    [[nodiscard]] std::uint32_t peer_setting(nghttp2_settings_id id) const noexcept;
    [[nodiscard]] bool may_request() const noexcept;
    /// A server's: the peer may reset one stream more than it may anyway.
    void forgive_reset() noexcept { guard_.answered(); }
    /// Null: there is none, or none any more.
    [[nodiscard]] h2_stream* find(std::int32_t id) noexcept;
    /// Gives back memory that was kept for further streams.
    void shrink() noexcept { memory_.shrink(); }

  private:
    struct calls;

    static void check(int result);
    [[nodiscard]] const char* feed(std::string_view input);
    void judge(const h2_guard::sighting& seen);
    static nghttp2_data_provider content_of(h2_stream& s) noexcept;
    void resume(h2_stream& s);
    void note(h2_event::kind what, h2_stream* s = nullptr, std::uint8_t mark = 0) {
        events.push_back({what, s, mark});
    }
    static std::array<std::uint8_t, 8> opaque_of(std::uint8_t mark) noexcept {
        return {'w', 'e', 'f', 't', 0, 0, 0, mark};
    }
    void note_taken(h2_stream& s, std::size_t n) {
        s.sent_bytes += n;
        if (!s.out_ended) note(h2_event::kind::taken, &s);  // who adds to it may wait
    }
    void consume(const h2_stream& s, std::size_t n);

    owner& owner_;
    const role role_;
    const h2_head_limits limits_;
    const std::size_t window_;
    h2_guard guard_;
    h2_history history_;
    h2_memory memory_;
    nghttp2_session* session_ = nullptr;
    h2_fields trailers_;
    std::string authority_;        // see h2_head_builder
    h2_stream* recent_ = nullptr;  // that was asked for last: one callback follows the other
    input_buffer* in_ = nullptr;   // during receive()
    output_queue* out_ = nullptr;  // during send()
    const char* too_much_ = nullptr;
    std::uint64_t now_ms_ = 0;
    std::size_t preface_left_ = 0;
    bool settings_came_ = false;
    bool over_ = false;
};

}  // namespace weft::http::detail
