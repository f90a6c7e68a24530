// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h1_framing.hpp"
#include "head_access.hpp"
#include <weft/http/detail/chars.hpp>
#include <weft/http/h1/encoder.hpp>

#include <charconv>
#include <cstring>

namespace weft::http::h1 {

using detail::field_block;

namespace {

// What the longest start line, framing, connection and date need beside the text of the head.
constexpr std::size_t fixed_part = 192;

std::size_t bound(const field_block* block, const head_options& options) noexcept {
    std::size_t n = fixed_part + options.date.size();
    if (block) {
        // Texts of fields do not overlap. Options of Connection may get a space more each.
        n += block->text_size + 4 * std::size_t{block->count};
        if (block->has(field::connection)) n += 2 * std::size_t{block->text_size};
    }
    return n;
}

char* put(char* out, std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

template <std::size_t N>
char* put(char* out, const char (&text)[N]) noexcept {
    std::memcpy(out, text, N - 1);
    return out + N - 1;
}

bool ours(std::string_view option) noexcept {
    return detail::iequals(option, "close") || detail::iequals(option, "keep-alive") ||
           detail::iequals(option, "upgrade");
}

char* write_connection(char* out, const headers& h, connection c) noexcept {
    char* const start = out;
    out = put(out, "Connection: ");
    char* const first = out;
    switch (c) {
        case connection::unsaid:
            break;
        case connection::close:
            out = put(out, "close");
            break;
        case connection::keep_alive:
            out = put(out, "keep-alive");
            break;
        case connection::upgrade:
            out = put(out, "upgrade");
            break;
    }
    if (h.contains(field::connection)) {
        for (const std::string_view option : h.list(field::connection)) {
            if (ours(option)) continue;
            if (out != first) out = put(out, ", ");
            out = put(out, option);
        }
    }
    return out == first ? start : put(out, "\r\n");
}

char* write_fields(char* out, const headers& h, const head_options& options) noexcept {
    constexpr auto bit = [](field f) { return std::uint64_t{1} << static_cast<unsigned>(f); };
    constexpr std::uint64_t skipped = bit(field::content_length) | bit(field::transfer_encoding) |
                                      bit(field::connection) | bit(field::proxy_connection);
    if (const field_block* block = head_access::block(h)) {
        for (std::size_t i = 0; i < block->count; ++i) {
            const detail::field_entry& e = block->entry(i);
            if (skipped & bit(e.id)) continue;
            out = put(out, block->name(e));
            out = put(out, ": ");
            out = put(out, block->value(e));
            out = put(out, "\r\n");
        }
    }
    if (!options.date.empty() && !h.contains(field::date)) {
        out = put(out, "Date: ");
        out = put(out, options.date);
        out = put(out, "\r\n");
    }
    if (options.connection != connection::unsaid || h.contains(field::connection))
        out = write_connection(out, h, options.connection);
    if (options.body.how == framing::kind::length) {
        out = put(out, "Content-Length: ");
        out = std::to_chars(out, out + 20, options.body.length).ptr;
        out = put(out, "\r\n");
    } else if (options.body.how == framing::kind::chunked) {
        out = put(out, "Transfer-Encoding: chunked\r\n");
    }
    return put(out, "\r\n");
}

template <class Head>
void append_head(std::string& out, const Head& head, const head_options& options) {
    const std::size_t before = out.size();
    out.resize(before + encoded_size(head, options));
    char* const end = write(out.data() + before, head, options);
    out.resize(static_cast<std::size_t>(end - out.data()));
}

}  // namespace

std::size_t encoded_size(const request_head& head, const head_options& options) noexcept {
    return bound(head_access::block(head), options);
}
std::size_t encoded_size(const response_head& head, const head_options& options) noexcept {
    return bound(head_access::block(head), options);
}

char* write(char* out, const request_head& head, const head_options& options) noexcept {
    out = put(out, head.method().text());
    *out++ = ' ';
    out = put(out, head.target());
    out =
        head.version() == version::http_1_0 ? put(out, " HTTP/1.0\r\n") : put(out, " HTTP/1.1\r\n");
    return write_fields(out, head.headers(), options);
}

char* write(char* out, const response_head& head, const head_options& options) noexcept {
    out = head.version() == version::http_1_0 ? put(out, "HTTP/1.0 ") : put(out, "HTTP/1.1 ");
    const int code = head.status().code();
    *out++ = static_cast<char>('0' + code / 100);
    *out++ = static_cast<char>('0' + code / 10 % 10);
    *out++ = static_cast<char>('0' + code % 10);
    *out++ = ' ';
    out = put(out, head.reason());
    out = put(out, "\r\n");
    return write_fields(out, head.headers(), options);
}

void append(std::string& out, const request_head& head, const head_options& options) {
    append_head(out, head, options);
}
void append(std::string& out, const response_head& head, const head_options& options) {
    append_head(out, head, options);
}

char* write_chunk_header(char* out, std::uint64_t size) noexcept {
    return put(std::to_chars(out, out + 16, size, 16).ptr, "\r\n");
}

void append_last_chunk(std::string& out, const headers& trailers) {
    out += "0\r\n";
    for (const auto [name, value, id] : trailers) {
        if (!allowed_in_trailers(id)) continue;
        out.append(name).append(": ").append(value).append("\r\n");
    }
    out += "\r\n";
}

}  // namespace weft::http::h1
