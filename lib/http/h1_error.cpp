// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/http/h1/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ostream>

namespace weft::http::h1 {

namespace {

struct entry {
    reason why;
    std::string_view token;
    int status;
    std::string_view text;
};

using enum reason;

constexpr std::array table{
    entry{none, "none", 400, "no error"},
    entry{bare_cr, "bare_cr", 400, "a CR without LF"},
    entry{bare_lf, "bare_lf", 400, "an LF without CR"},
    entry{control_character, "control_character", 400, "a control character"},
    entry{leading_whitespace, "leading_whitespace", 400, "white space before the first field"},
    entry{obs_fold, "obs_fold", 400, "a folded line"},
    entry{space_before_colon, "space_before_colon", 400, "white space in or after a field name"},
    entry{bad_field_name, "bad_field_name", 400, "a field name that is no token"},
    entry{missing_colon, "missing_colon", 400, "a field line without a colon"},
    entry{header_too_large, "header_too_large", 431, "the header fields are too large"},
    entry{too_many_fields, "too_many_fields", 431, "too many header fields"},
    entry{too_many_empty_lines, "too_many_empty_lines", 400,
          "too many empty lines before the request"},
    entry{request_line_too_long, "request_line_too_long", 414, "the request line is too long"},
    entry{bad_request_line, "bad_request_line", 400,
          "the request line is not 'method target version'"},
    entry{bad_method, "bad_method", 400, "the method is no token"},
    entry{method_too_long, "method_too_long", 501, "the method is longer than any known one"},
    entry{bad_target, "bad_target", 400, "the request target is malformed"},
    entry{target_form, "target_form", 400,
          "the form of the request target does not fit the method"},
    entry{bad_version, "bad_version", 400, "the version is malformed"},
    entry{unsupported_version, "unsupported_version", 505, "the version is not HTTP/1"},
    entry{status_line_too_long, "status_line_too_long", 502, "the status line is too long"},
    entry{bad_status_line, "bad_status_line", 502,
          "the status line is not 'version status reason'"},
    entry{bad_status_code, "bad_status_code", 502,
          "the status code is not a number from 100 to 999"},
    entry{missing_host, "missing_host", 400, "there is no Host"},
    entry{multiple_hosts, "multiple_hosts", 400, "there is more than one Host"},
    entry{bad_host, "bad_host", 400, "Host is empty or malformed"},
    entry{host_mismatch, "host_mismatch", 400, "Host differs from the authority of the target"},
    entry{multiple_content_lengths, "multiple_content_lengths", 400,
          "there is more than one Content-Length"},
    entry{bad_content_length, "bad_content_length", 400, "Content-Length is not a number"},
    entry{content_length_overflow, "content_length_overflow", 400,
          "Content-Length is too large a number"},
    entry{transfer_encoding_in_http_1_0, "transfer_encoding_in_http_1_0", 400,
          "Transfer-Encoding in HTTP/1.0"},
    entry{transfer_encoding_and_content_length, "transfer_encoding_and_content_length", 400,
          "both Transfer-Encoding and Content-Length"},
    entry{bad_transfer_encoding, "bad_transfer_encoding", 400, "Transfer-Encoding is malformed"},
    entry{chunked_not_last, "chunked_not_last", 400, "Transfer-Encoding does not end in chunked"},
    entry{unknown_transfer_coding, "unknown_transfer_coding", 501, "an unknown transfer coding"},
    entry{content_with_connect, "content_with_connect", 400, "CONNECT with content"},
    entry{body_too_large, "body_too_large", 413, "the content is too large"},
    entry{bad_chunk_size, "bad_chunk_size", 400, "a chunk size is malformed"},
    entry{chunk_size_overflow, "chunk_size_overflow", 400, "a chunk size is too large a number"},
    entry{bad_chunk_extension, "bad_chunk_extension", 400, "a chunk extension is malformed"},
    entry{chunk_extension_too_long, "chunk_extension_too_long", 400,
          "the chunk extensions are too long"},
    entry{bad_chunk_end, "bad_chunk_end", 400, "the data of a chunk does not end with CRLF"},
    entry{truncated, "truncated", 400, "the connection ended within the message"},
};

consteval bool in_order() {
    for (std::size_t i = 0; i < table.size(); ++i)
        if (static_cast<std::size_t>(table[i].why) != i) return false;
    return table.size() == static_cast<std::size_t>(truncated) + 1;
}
static_assert(in_order());

const entry& find(reason r) noexcept {
    const auto i = static_cast<std::size_t>(r);
    return table[i < table.size() ? i : 0];
}

}  // namespace

std::string_view to_string(reason r) noexcept { return find(r).token; }
std::ostream& operator<<(std::ostream& out, reason r) { return out << to_string(r); }
status status_for(reason r) noexcept { return find(r).status; }

error::error(reason why, std::uint32_t line, std::string_view field, unsigned char byte) noexcept
    : why_(why), byte_(byte), line_(line) {
    field_size_ = static_cast<std::uint8_t>(std::min(field.size(), field_.size()));
    std::copy_n(field.data(), field_size_, field_.data());
}

std::string error::message() const {
    std::string out;
    if (line_ == 1) {
        out = "start line: ";
    } else if (line_ > 1) {
        out = fmt::format("header line {}", line_);
        if (field_size_ != 0) out += fmt::format(" ({})", field());
        out += ": ";
    }
    out += find(why_).text;
    if (byte_ != 0 || why_ == control_character) out += fmt::format(" (byte 0x{:02x})", byte_);
    return out;
}

}  // namespace weft::http::h1
