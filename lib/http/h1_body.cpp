// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "field_table.hpp"
#include "h1_framing.hpp"
#include "h1_scan.hpp"
#include "head_access.hpp"
#include <weft/http/h1/body.hpp>

#include <algorithm>

namespace weft::http::h1 {

using detail::scanned;
using event = body_step::event;

namespace {

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = detail::lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }

}  // namespace

body_decoder::body_decoder(framing f, const h1::limits& l) noexcept : limits_(l) {
    switch (f.how) {
        case framing::kind::none:
        case framing::kind::upgrade:
            return;
        case framing::kind::length:
            remaining_ = f.length;
            state_ = f.length == 0 ? state::complete : state::fixed;
            if (f.length > limits_.body) (void)fail(reason::body_too_large, 0);
            return;
        case framing::kind::until_close:
            state_ = state::until_close;
            return;
        case framing::kind::chunked:
            state_ = state::size_first;
            cursor_.number = 2;
            return;
    }
}

body_step body_decoder::fail(reason why, std::size_t consumed, std::string_view field) noexcept {
    error_ = h1::error(why, 0, field);
    state_ = state::failed;
    return {event::failed, consumed, {}};
}

// Hands out what the input has of the `remaining_` bytes.
body_step body_decoder::give(std::string_view input, std::size_t offset) noexcept {
    const auto n = static_cast<std::size_t>(
        std::min<std::uint64_t>(remaining_, static_cast<std::uint64_t>(input.size() - offset)));
    remaining_ -= n;
    return {event::data, offset + n, input.substr(offset, n)};
}

body_step body_decoder::decode(std::string_view input) {
    switch (state_) {
        case state::complete:
            return {event::end, 0, {}};
        case state::failed:
            return {event::failed, 0, {}};
        case state::fixed: {
            if (input.empty()) return {};
            const body_step step = give(input, 0);
            if (remaining_ == 0) state_ = state::complete;
            return step;
        }
        case state::until_close: {
            if (input.empty()) return {};
            if (total_ == limits_.body) return fail(reason::body_too_large, 0);
            remaining_ = limits_.body - total_;
            const body_step step = give(input, 0);
            total_ += step.data.size();
            remaining_ = 0;
            return step;
        }
        default:
            return decode_chunked(input);
    }
}

body_step body_decoder::end_of_input() noexcept {
    if (state_ == state::until_close) state_ = state::complete;
    if (state_ == state::complete) return {event::end, 0, {}};
    if (state_ == state::failed) return {event::failed, 0, {}};
    return fail(reason::truncated, 0);
}

// RFC 9112 7.1. White space before the first extension or the end of the line is refused: some end
// the size there.
body_step body_decoder::decode_chunked(std::string_view input) {
    std::size_t i = 0;
    while (i < input.size()) {
        const char c = input[i];
        switch (state_) {
            case state::data: {
                const body_step step = give(input, i);
                if (remaining_ == 0) state_ = state::data_cr;
                return step;
            }
            case state::data_cr:
                if (c != '\r') return fail(reason::bad_chunk_end, i);
                state_ = state::data_lf;
                break;
            case state::data_lf:
                if (c != '\n') return fail(reason::bad_chunk_end, i);
                state_ = state::size_first;
                break;
            case state::size_first:
            case state::size: {
                if (const int v = hex_value(c); v >= 0) {
                    if (++digits_ > 16) return fail(reason::chunk_size_overflow, i);
                    remaining_ = remaining_ << 4 | static_cast<unsigned>(v);
                    state_ = state::size;
                } else if (state_ == state::size && c == '\r') {
                    state_ = state::size_lf;
                } else if (state_ == state::size && c == ';') {
                    state_ = state::ext_name_first;
                } else {
                    return fail(c == '\n' ? reason::bare_lf : reason::bad_chunk_size, i);
                }
                break;
            }
            case state::size_lf:
            case state::ext_lf:
                if (c != '\n') return fail(reason::bare_cr, i);
                if (const reason r = end_size_line(); r != reason::none) return fail(r, i);
                break;
            case state::trailer:
                return decode_trailers(input, i);
            default:
                if (const reason r = extension_byte(c); r != reason::none) return fail(r, i);
                break;
        }
        ++i;
    }
    return {event::need_more, i, {}};
}

reason body_decoder::end_size_line() noexcept {
    extension_ = 0;
    digits_ = 0;
    if (remaining_ == 0) {
        state_ = state::trailer;
        return reason::none;
    }
    if (remaining_ > limits_.body - total_) return reason::body_too_large;
    total_ += remaining_;
    state_ = state::data;
    return reason::none;
}

// RFC 9112 7.1.1: chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
reason body_decoder::extension_byte(char c) noexcept {
    ++extension_total_;
    if (++extension_ > limits_.chunk_extension ||
        (extension_total_ > 16 * limits_.chunk_extension &&
         extension_total_ - 16 * limits_.chunk_extension > total_))
        return reason::chunk_extension_too_long;
    if (c == '\n') return reason::bare_lf;
    const bool token = detail::is(c, detail::cc_token);
    switch (state_) {
        case state::ext_name_first:
            if (is_space(c)) return reason::none;
            if (!token) break;
            state_ = state::ext_name;
            return reason::none;
        case state::ext_name:
        case state::ext_name_space:
            if (c == '=') {
                state_ = state::ext_value_first;
            } else if (c == ';') {
                state_ = state::ext_name_first;
            } else if (is_space(c)) {
                state_ = state::ext_name_space;
            } else if (state_ == state::ext_name && c == '\r') {
                state_ = state::ext_lf;
            } else if (state_ != state::ext_name || !token) {
                break;
            }
            return reason::none;
        case state::ext_value_first:
            if (is_space(c)) return reason::none;
            if (c != '"' && !token) break;
            state_ = token ? state::ext_value : state::ext_quoted;
            return reason::none;
        case state::ext_value:
        case state::ext_value_end:
        case state::ext_value_space:
            if (c == ';') {
                state_ = state::ext_name_first;
            } else if (is_space(c)) {
                state_ = state::ext_value_space;
            } else if (state_ != state::ext_value_space && c == '\r') {
                state_ = state::ext_lf;
            } else if (state_ != state::ext_value || !token) {
                break;
            }
            return reason::none;
        case state::ext_quoted:
            if (c == '"') {
                state_ = state::ext_value_end;
            } else if (c == '\\') {
                state_ = state::ext_quoted_pair;
            } else if (!detail::is(c, detail::cc_qdtext)) {
                break;
            }
            return reason::none;
        case state::ext_quoted_pair:
            if (!detail::is(c, detail::cc_field)) break;
            state_ = state::ext_quoted;
            return reason::none;
        default:
            break;
    }
    return reason::bad_chunk_extension;
}

body_step body_decoder::decode_trailers(std::string_view input, std::size_t consumed) {
    for (;;) {
        const std::string_view rest = input.substr(consumed);
        const detail::field_line line =
            detail::scan_field_line(cursor_, rest, limits_.header_block - trailer_bytes_);
        switch (line.what) {
            case scanned::more:
                return {event::need_more, consumed, {}};
            case scanned::too_large:
                return fail(reason::header_too_large, consumed);
            case scanned::failed:
                return fail(line.why, consumed, rest.substr(0, cursor_.colon));
            case scanned::empty:
                state_ = state::complete;
                return {event::end, consumed + line.next, {}};
            case scanned::field:
                break;
        }
        if (++trailer_count_ > limits_.fields) return fail(reason::too_many_fields, consumed);
        const std::string_view name = rest.substr(0, line.name_end);
        if (name.size() > 0xffff) return fail(reason::header_too_large, consumed);
        const field id = detail::recognize_token(name);
        if (allowed_in_trailers(id)) {
            head_access::insert(trailers_, id, name,
                                rest.substr(line.value_begin, line.value_end - line.value_begin));
        }
        consumed += line.next;
        trailer_bytes_ += line.next;
        detail::next_line(cursor_, 0);
    }
}

}  // namespace weft::http::h1
