// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/detail/line_cursor.hpp>
#include <weft/http/h1/error.hpp>
#include <weft/http/h1/framing.hpp>
#include <weft/http/h1/limits.hpp>
#include <weft/http/head.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::h1 {

/// What a head decoder makes of the input so far.
enum class progress : std::uint8_t {
    need_more,  ///< the head is not whole: call again with the same bytes and more behind them
    complete,   ///< the head is whole: `consumed()`, `traits()`, `take_head()`
    failed      ///< the message is refused: `error()`; nothing behind it may be read as HTTP
};

/// What the two head decoders have in common; use one of those.
class head_decoder {
  public:
    head_decoder(const head_decoder&) = delete;
    head_decoder& operator=(const head_decoder&) = delete;

    /// How many bytes of the input the head took, when complete: the content starts there.
    [[nodiscard]] std::size_t consumed() const noexcept { return cursor_.line; }
    /// When complete.
    [[nodiscard]] const h1::traits& traits() const noexcept { return traits_; }
    /// When failed.
    [[nodiscard]] const h1::error& error() const noexcept { return error_; }
    /// Whether a byte of the start line was seen: empty lines before it do not count.
    [[nodiscard]] bool started() const noexcept { return cursor_.scanned > start_; }

    /// Forgets everything: the next `decode` starts a new message.
    void reset() noexcept;

  protected:
    explicit head_decoder(const h1::limits& l) noexcept;
    ~head_decoder();

    enum class found : std::uint8_t { more, text, empty, failed };
    enum class state : std::uint8_t { start, fields, complete, failed };

    progress fail(reason why, std::string_view field = {}, unsigned char byte = 0) noexcept;
    /// Finds the end of the start line; `end` is where its CR stands.
    found scan_start_line(std::string_view input, reason too_long, std::size_t& end);
    /// All field lines and the empty line; complete when the block holds the whole head.
    progress decode_fields(std::string_view input);
    void begin_fields(std::string_view input);

    h1::limits limits_;
    detail::line_cursor cursor_;
    std::size_t start_ = 0;   ///< of the start line
    std::size_t fields_ = 0;  ///< of the first field line
    std::size_t empty_lines_ = 0;
    std::uint64_t repeated_ = 0;  ///< fields with a number that came more than once
    detail::field_block* block_ = nullptr;
    state state_ = state::start;
    h1::traits traits_;
    h1::error error_;
};

/// Decodes the heads of HTTP/1 requests, strictly (RFC 9112): bytes in, a `request_head` out; no
/// socket, no clock.
///
///     h1::request_decoder decoder;
///     while (decoder.decode(buffer.view()) == h1::progress::need_more) buffer.read_more();
///     if (decoder.error()) return answer(decoder.error().status());
///     h1::body_decoder body(decoder.traits().body);
///     buffer.consume(decoder.consumed());
///     http::request_head head = decoder.take_head();
///
/// The input is contiguous and starts at the first byte of the message; until the head is complete,
/// each call repeats the bytes of the last one (they may have moved) with more behind. The decoder
/// remembers how far it has looked, so that a message of n bytes costs O(n) however it is cut, and
/// the outcome does not depend on how it is cut. Bytes behind the head are left alone. At most
/// `limits.empty_lines * 2 + limits.start_line + 2 + limits.header_block` bytes are ever needed.
/// Not for use from two threads at once.
///
/// Deliberate choices where RFC 9112 leaves one: a lone LF ends no line (2.2); empty elements in
/// Transfer-Encoding, Content-Length lists and empty Host values are refused; HTTP/1.2 to 1.9 count
/// as 1.1 (RFC 9110 2.5).
class request_decoder : public head_decoder {
  public:
    explicit request_decoder(const h1::limits& l = {}) noexcept : head_decoder(l) {}

    progress decode(std::string_view input);
    /// The head, once complete; resets the decoder for the next message.
    [[nodiscard]] request_head take_head() noexcept;

  private:
    progress parse_request_line(std::string_view line);
    progress finish();
};

/// Decodes the heads of HTTP/1 responses, interim ones (1xx) too, as strictly.
///
///     h1::response_decoder decoder;
///     if (decoder.decode(buffer.view(), http::method::get) == h1::progress::complete) ...
///
/// As request_decoder. After an interim response other than 101, decode the next head. A 101 has
/// `framing::upgrade`; whether one was asked for, the caller knows. A status line without a reason
/// phrase may lack the space before it.
class response_decoder : public head_decoder {
  public:
    explicit response_decoder(const h1::limits& l = {}) noexcept : head_decoder(l) {}

    /// `request_method`: of the request that this answers, because responses to HEAD and CONNECT
    /// have no content.
    progress decode(std::string_view input, const method& request_method);
    /// The head, once complete; resets the decoder for the next message.
    [[nodiscard]] response_head take_head() noexcept;

  private:
    progress parse_status_line(std::string_view line);
    progress finish(const method& request_method);
};

}  // namespace weft::http::h1
