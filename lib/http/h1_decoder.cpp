// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "field_table.hpp"
#include "h1_framing.hpp"
#include "h1_scan.hpp"
#include "head_access.hpp"
#include <weft/http/h1/decoder.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace weft::http::h1 {

using detail::block_kind;
using detail::field_block;
using detail::field_entry;
using detail::scanned;

namespace {

constexpr std::uint64_t bit(field f) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(f);
}

/// A block that lies in another object for a while, so that the functions on `headers` can look at
/// it.
class borrowed {
  public:
    explicit borrowed(field_block* b) noexcept { head_access::block(fields_) = b; }
    borrowed(const borrowed&) = delete;
    borrowed& operator=(const borrowed&) = delete;
    ~borrowed() { head_access::block(fields_) = nullptr; }
    const headers& operator*() const noexcept { return fields_; }

  private:
    headers fields_;
};

/// Moves a block whose text is not there yet to a larger one.
void grow(field_block*& block, std::size_t text, std::size_t fields) {
    field_block* bigger = field_block::make(text, fields);
    const std::uint32_t capacity = std::exchange(block->capacity, bigger->capacity);
    *bigger = *block;
    block->capacity = capacity;
    for (std::size_t i = 0; i < block->count; ++i) bigger->entry(i) = block->entry(i);
    field_block::destroy(std::exchange(block, bigger));
}

// RFC 9112 2.3: HTTP/1.x is HTTP/1.1 to us, but for 1.0 (RFC 9110 2.5).
reason parse_version(std::string_view text, version& out) noexcept {
    if (text.size() != 8 || std::memcmp(text.data(), "HTTP/", 5) != 0 ||
        !detail::is(text[5], detail::cc_digit) || text[6] != '.' ||
        !detail::is(text[7], detail::cc_digit))
        return reason::bad_version;
    if (text[5] != '1') return reason::unsupported_version;
    out = text[7] == '0' ? version::http_1_0 : version::http_1_1;
    return reason::none;
}

/// The authority of a target in absolute form, "" for another form.
struct target_parts {
    bool absolute = false;
    std::string_view host, port, scheme;
};

// RFC 9112 3.2: four forms, and which methods they go with.
reason check_target(const method& m, std::string_view target, target_parts& parts) noexcept {
    if (!detail::all(target, detail::cc_target)) return reason::bad_target;
    if (m.id() == method::known::connect) {
        if (!parse_authority(target, parts.host, parts.port)) return reason::target_form;
        return parts.port.empty() ? reason::target_form : reason::none;
    }
    if (target[0] == '/') return reason::none;
    if (target == "*") {
        return m.id() == method::known::options ? reason::none : reason::target_form;
    }
    const std::size_t colon = target.find("://");
    if (colon == std::string_view::npos) return reason::target_form;
    parts.scheme = target.substr(0, colon);
    if (colon == 0 || !detail::all(parts.scheme, detail::cc_scheme) ||
        detail::lower(target[0]) < 'a' || detail::lower(target[0]) > 'z')
        return reason::target_form;
    const std::string_view rest = target.substr(colon + 3);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    // User information is an error in a target (RFC 9110 4.2.4): parse_authority refuses the '@'.
    if (!parse_authority(authority, parts.host, parts.port)) return reason::bad_target;
    parts.absolute = true;
    return reason::none;
}

bool same_port(std::string_view a, std::string_view b, std::string_view scheme) noexcept {
    const auto number = [&](std::string_view port) {
        unsigned n = 0;
        for (const char c : port) n = n * 10 + static_cast<unsigned>(c - '0');
        if (!port.empty()) return n;
        return detail::iequals(scheme, "http") ? 80u : detail::iequals(scheme, "https") ? 443u : 0u;
    };
    return number(a) == number(b);
}

}  // namespace

head_decoder::head_decoder(const h1::limits& l) noexcept : limits_(l) {
    // Offsets within a head have 32 bits.
    constexpr std::size_t most = std::size_t{1} << 28;
    limits_.start_line = std::min(l.start_line, most);
    limits_.header_block = std::min(l.header_block, most);
    limits_.empty_lines = std::min(l.empty_lines, most);
}

head_decoder::~head_decoder() {
    if (block_) field_block::destroy(block_);
}

void head_decoder::reset() noexcept {
    if (block_) field_block::destroy(std::exchange(block_, nullptr));
    cursor_ = {};
    start_ = fields_ = empty_lines_ = 0;
    repeated_ = 0;
    state_ = state::start;
    traits_ = {};
    if (error_) error_ = {};
}

progress head_decoder::fail(reason why, std::string_view field, unsigned char byte) noexcept {
    error_ = h1::error(why, cursor_.number, field, byte);
    state_ = state::failed;
    return progress::failed;
}

head_decoder::found head_decoder::scan_start_line(std::string_view input, reason too_long,
                                                  std::size_t& end) {
    const char* const base = input.data();
    const std::size_t window = cursor_.line + limits_.start_line + 1;
    const std::size_t stop = std::min(input.size(), window);
    const auto p =
        static_cast<std::size_t>(detail::find_control(base + cursor_.scanned, base + stop) - base);
    cursor_.scanned = p;
    if (p == stop) {
        if (p < window) return found::more;
        fail(too_long);
        return found::failed;
    }
    if (base[p] != '\r') {
        const auto refused = detail::refuse_byte(base[p]);
        fail(refused.why, {}, refused.byte);
        return found::failed;
    }
    if (p + 1 == input.size()) return found::more;
    if (base[p + 1] != '\n') {
        fail(reason::bare_cr);
        return found::failed;
    }
    end = p;
    return p == cursor_.line ? found::empty : found::text;
}

void head_decoder::begin_fields(std::string_view input) {
    // Most heads come whole: then this is their final size, and a few hundred bytes more cost
    // nothing.
    const std::size_t rest = input.size() - cursor_.scanned;
    const std::size_t text = cursor_.scanned - start_ + std::min<std::size_t>(rest, 480);
    block_ = field_block::make(text, 6 + std::min<std::size_t>(rest, 480) / 32);
    cursor_.line = cursor_.scanned = fields_ = cursor_.scanned + 2;
    cursor_.number = 2;
    state_ = state::fields;
}

progress head_decoder::decode_fields(std::string_view input) {
    const std::size_t window = fields_ + limits_.header_block;
    for (;;) {
        const detail::field_line line = detail::scan_field_line(cursor_, input, window);
        if (line.what == scanned::field) [[likely]] {
            if (block_->count == limits_.fields) return fail(reason::too_many_fields);
            const std::string_view name = input.substr(cursor_.line, line.name_end - cursor_.line);
            if (name.size() > std::numeric_limits<std::uint16_t>::max())
                return fail(reason::header_too_large);
            // The text itself is copied in one go when the head is whole; until then only entries
            // fill the block.
            if (block_->room() < sizeof(field_entry)) {
                grow(block_, block_->capacity, block_->count + 16);
            }
            const field id = detail::recognize_token(name);
            block_->entry(block_->count++) = {
                static_cast<std::uint32_t>(cursor_.line - start_),
                static_cast<std::uint32_t>(line.value_begin - start_),
                static_cast<std::uint32_t>(line.value_end - line.value_begin),
                static_cast<std::uint16_t>(name.size()), id};
            repeated_ |= block_->known & bit(id);
            block_->mark(id);
            detail::next_line(cursor_, line.next);
            continue;
        }
        switch (line.what) {
            case scanned::more:
                return progress::need_more;
            case scanned::too_large:
                return fail(reason::header_too_large);
            case scanned::failed: {
                const std::size_t end = cursor_.colon != 0 ? cursor_.colon : cursor_.line;
                return fail(line.why, input.substr(cursor_.line, end - cursor_.line), line.byte);
            }
            default:
                break;
        }
        // The empty line: the head is whole.
        const std::size_t size = line.next - start_;
        if (block_->room() < size) {
            grow(block_, size, block_->count + 4);
        }
        block_->append(input.substr(start_, size));
        cursor_.line = cursor_.scanned = line.next;
        cursor_.number = 0;  // what is refused from here on is not about a line
        return progress::complete;
    }
}

progress request_decoder::decode(std::string_view input) {
    if (state_ == state::complete) return progress::complete;
    if (state_ == state::failed) return progress::failed;
    while (state_ == state::start) {
        std::size_t end = 0;
        switch (scan_start_line(input, reason::request_line_too_long, end)) {
            case found::more:
                return progress::need_more;
            case found::failed:
                return progress::failed;
            case found::empty:
                if (++empty_lines_ > limits_.empty_lines) return fail(reason::too_many_empty_lines);
                cursor_.line = cursor_.scanned = start_ = end + 2;
                continue;
            case found::text:
                break;
        }
        begin_fields(input);
        const progress p = parse_request_line(input.substr(start_, end - start_));
        if (p == progress::failed) return p;
    }
    const progress p = decode_fields(input);
    return p == progress::complete ? finish() : p;
}

progress request_decoder::parse_request_line(std::string_view line) {
    cursor_.number = 1;  // for the error
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    const std::string_view token = line.substr(0, first);
    const std::optional<method> m = method::parse(token);
    if (!m) {
        return fail(detail::is_token(token) && token.size() > method::max_size
                        ? reason::method_too_long
                        : reason::bad_method);
    }
    if (first == std::string_view::npos || first + 1 >= last) return fail(reason::bad_request_line);
    if (const reason r = parse_version(line.substr(last + 1), block_->version); r != reason::none)
        return fail(r);
    const std::string_view target = line.substr(first + 1, last - first - 1);
    target_parts parts;
    if (const reason r = check_target(*m, target, parts); r != reason::none) return fail(r);
    block_->kind = block_kind::request;
    block_->method = *m;
    block_->line_at = static_cast<std::uint32_t>(first + 1);
    block_->line_size = static_cast<std::uint32_t>(target.size());
    cursor_.number = 2;
    return progress::need_more;
}

progress request_decoder::finish() {
    const borrowed fields(block_);
    const headers& h = *fields;
    const version v = block_->version;
    const method& m = block_->method;

    // RFC 9112 3.2
    if (!h.contains(field::host)) {
        if (v >= version::http_1_1) return fail(reason::missing_host);
    } else {
        if (repeated_ & bit(field::host)) return fail(reason::multiple_hosts, "Host");
        std::string_view host, port;
        if (!parse_authority(*h.get(field::host), host, port))
            return fail(reason::bad_host, "Host");
        const std::string_view target = block_->line();
        if (target[0] != '/' && m.id() != method::known::connect) {
            target_parts parts;
            (void)check_target(m, target, parts);
            if (parts.absolute &&
                (!detail::iequals(parts.host, host) || !same_port(parts.port, port, parts.scheme)))
                return fail(reason::host_mismatch, "Host");
        }
    }
    field at = field::other;
    if (const reason r = decide_framing(v, h, repeated_, framing::none(), traits_.body, at);
        r != reason::none)
        return fail(r, to_string(at));
    if (m.id() == method::known::connect) {
        // What follows is not HTTP once the tunnel stands, so content would be ambiguous (RFC
        // 9110 9.3.6).
        if (!traits_.body.empty()) return fail(reason::content_with_connect, to_string(at));
        traits_.body = framing::upgrade();
    }
    if (traits_.body.length > limits_.body) return fail(reason::body_too_large, "Content-Length");
    traits_.keep_alive = h1::keep_alive(v, h);
    traits_.upgrade = wants_upgrade(v, h);
    traits_.expect = expectation_of(v, h);
    state_ = state::complete;
    return progress::complete;
}

request_head request_decoder::take_head() noexcept {
    request_head head = head_access::request(std::exchange(block_, nullptr));
    reset();
    return head;
}

progress response_decoder::decode(std::string_view input, const method& request_method) {
    if (state_ == state::complete) return progress::complete;
    if (state_ == state::failed) return progress::failed;
    if (state_ == state::start) {
        std::size_t end = 0;
        switch (scan_start_line(input, reason::status_line_too_long, end)) {
            case found::more:
                return progress::need_more;
            case found::failed:
                return progress::failed;
            case found::empty:
                return fail(reason::bad_status_line);
            case found::text:
                break;
        }
        begin_fields(input);
        if (parse_status_line(input.substr(0, end)) == progress::failed) return progress::failed;
    }
    const progress p = decode_fields(input);
    return p == progress::complete ? finish(request_method) : p;
}

// RFC 9112 4
progress response_decoder::parse_status_line(std::string_view line) {
    cursor_.number = 1;  // for the error
    if (const reason r = parse_version(line.substr(0, 8), block_->version); r != reason::none)
        return fail(r);
    if (line.size() < 9 || line[8] != ' ') return fail(reason::bad_status_line);
    const std::string_view code = line.substr(9, 3);
    if (code.size() != 3 || !detail::all(code, detail::cc_digit) || code[0] == '0')
        return fail(reason::bad_status_code);
    if (line.size() > 12 && line[12] != ' ')
        return fail(detail::is(line[12], detail::cc_digit) ? reason::bad_status_code
                                                           : reason::bad_status_line);
    const std::string_view phrase = line.size() > 13 ? line.substr(13) : std::string_view();
    block_->kind = block_kind::response;
    block_->status =
        static_cast<std::uint16_t>((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    block_->line_at = static_cast<std::uint32_t>(line.size() - phrase.size());
    block_->line_size = static_cast<std::uint32_t>(phrase.size());
    cursor_.number = 2;
    return progress::need_more;
}

// RFC 9112 6.3
progress response_decoder::finish(const method& request_method) {
    const borrowed fields(block_);
    const headers& h = *fields;
    const version v = block_->version;
    const int code = block_->status;

    // Malformed framing is refused even where it does not count: someone else on the way may have
    // believed it.
    field at = field::other;
    framing asked;
    if (const reason r = decide_framing(v, h, repeated_, framing::until_close(), asked, at);
        r != reason::none)
        return fail(r, to_string(at));
    traits_.keep_alive = h1::keep_alive(v, h);
    traits_.upgrade = code == 101 && wants_upgrade(v, h);
    const bool connected = request_method.id() == method::known::connect && code / 100 == 2;
    if (code == 101 || connected) {
        traits_.body = framing::upgrade();
    } else if (status(code).forbids_content() || request_method.id() == method::known::head) {
        traits_.body = framing::none();
        // A length or coding that these never have (RFC 9110 8.6, RFC 9112 6.1): content may follow
        // all the same, and would be taken for the next response.
        const bool must_not = code < 200 || code == 204;
        if (must_not && asked.how != framing::kind::until_close && !asked.empty())
            traits_.keep_alive = false;
    } else {
        traits_.body = asked;
        if (asked.how == framing::kind::until_close) traits_.keep_alive = false;
        if (asked.length > limits_.body) return fail(reason::body_too_large, "Content-Length");
    }
    state_ = state::complete;
    return progress::complete;
}

response_head response_decoder::take_head() noexcept {
    response_head head = head_access::response(std::exchange(block_, nullptr));
    reset();
    return head;
}

}  // namespace weft::http::h1
