// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/h1/decoder.hpp>
#include <weft/http/headers.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace weft::http::h1 {

/// What one step of a body decoder found.
struct body_step {
    enum class event : std::uint8_t {
        need_more,  ///< the input is used up but for what was not consumed
        data,       ///< `data` is content
        end,        ///< the content is whole; what follows belongs to the next message
        failed      ///< refused: `error()`
    };
    event what = event::need_more;
    /// Bytes at the front of the input that are done with, `data` among them.
    std::size_t consumed = 0;
    /// A part of the input, never empty when `what` is data: valid as long as the input is.
    std::string_view data;
};

/// Takes the framing off the content of an HTTP/1 message without copying it (RFC 9112 6, 7).
///
///     h1::body_decoder body(decoder.traits().body);
///     for (h1::body_step s; (s = body.decode(in)).what != event::end;
///          in.remove_prefix(s.consumed)) {
///         if (s.what == event::data) use(s.data);
///         if (s.what == event::need_more) in = read_more();     // behind what was not consumed
///         if (s.what == event::failed) return refuse(body.error());
///     }
///
/// Bytes that were not consumed must come again in front of the next input;
/// that happens only within a trailer line. Any split of the input gives the
/// same content and the same verdict. Trailers that frame, route, authenticate
/// or change how a message is understood are dropped (RFC 9110 6.5.1).
class body_decoder {
  public:
    /// Without content: the first step is the end.
    body_decoder() noexcept = default;
    explicit body_decoder(framing f, const h1::limits& l = {}) noexcept;

    /// The next piece of content, or the end.
    body_step decode(std::string_view input);

    /// Tells that the connection ended: the end of an until_close body, `truncated` in any other
    /// that is not complete.
    body_step end_of_input() noexcept;

    /// Whether the end was reached.
    [[nodiscard]] bool complete() const noexcept { return state_ == state::complete; }
    [[nodiscard]] const h1::error& error() const noexcept { return error_; }
    /// Bytes that are still to come of a body with a
    /// length; for a chunked one, of the current chunk.
    [[nodiscard]] std::uint64_t remaining() const noexcept { return remaining_; }
    /// The trailers that were kept; empty until the end.
    [[nodiscard]] const headers& trailers() const noexcept { return trailers_; }
    [[nodiscard]] headers take_trailers() noexcept { return std::exchange(trailers_, {}); }

  private:
    enum class state : std::uint8_t {
        complete,
        failed,
        fixed,
        until_close,
        size_first,
        size,
        size_lf,
        data,
        data_cr,
        data_lf,
        ext_name_first,
        ext_name,
        ext_name_space,
        ext_value_first,
        ext_value,
        ext_quoted,
        ext_quoted_pair,
        ext_value_end,
        ext_value_space,
        ext_lf,
        trailer
    };

    body_step fail(reason why, std::size_t consumed, std::string_view field = {}) noexcept;
    body_step decode_chunked(std::string_view input);
    body_step decode_trailers(std::string_view input, std::size_t consumed);
    reason end_size_line() noexcept;
    reason extension_byte(char c) noexcept;
    body_step give(std::string_view input, std::size_t offset) noexcept;

    h1::limits limits_;
    std::uint64_t remaining_ = 0;
    std::uint64_t total_ = 0;  ///< content so far, announced chunks included
    std::uint64_t extension_total_ = 0;
    std::size_t extension_ = 0;  ///< bytes of this chunk's extensions
    std::size_t trailer_bytes_ = 0;
    std::size_t trailer_count_ = 0;
    detail::line_cursor cursor_;
    state state_ = state::complete;
    std::uint8_t digits_ = 0;
    headers trailers_;
    h1::error error_;
};

}  // namespace weft::http::h1
