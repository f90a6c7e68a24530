// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "h2_message.hpp"

#include "field_table.hpp"
#include "h1_framing.hpp"
#include "head_access.hpp"
#include <weft/http/detail/chars.hpp>
#include <weft/http/detail/field_block.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace weft::http::detail {

namespace {

constexpr std::size_t first_text = 400, first_fields = 8;

constexpr std::size_t longest_remembered = 255;  // of an authority

constexpr std::uint64_t bit(field f) { return std::uint64_t{1} << static_cast<unsigned>(f); }

/// The spellings of HTTP/2.
constexpr std::size_t longest_name = 32;
constexpr auto lower_names = [] {
    std::array<std::array<char, longest_name>, field_names.size()> all{};
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t k = 0; k < field_names[i].size(); ++k)
            all[i][k] = lower(field_names[i][k]);
    return all;
}();
std::string_view lower_name(field f) noexcept {
    const auto i = static_cast<std::size_t>(f);
    return {lower_names[i].data(), field_names[i].size()};
}

/// What belongs to a connection and has no place in HTTP/2 (RFC 9113 8.2.2).
constexpr std::uint64_t of_connection = bit(field::connection) | bit(field::keep_alive) |
                                        bit(field::proxy_connection) |
                                        bit(field::transfer_encoding) | bit(field::upgrade);

field_block* fresh_block(block_kind kind) {
    field_block* block = field_block::make(first_text, first_fields);
    block->kind = kind;
    block->version = version::http_2;
    return block;
}

std::string_view without_default_port(std::string_view authority) noexcept {
    for (const std::string_view port : {":80", ":443"})
        if (authority.ends_with(port)) return authority.substr(0, authority.size() - port.size());
    return authority;
}

}  // namespace

// In ----------------------------------------------------------------------------------------------

void h2_head_builder::begin(kind k, const h2_head_limits& limits, std::string& authority) {
    limits_ = limits;
    good_authority_ = &authority;
    kind_ = k;
    size_ = count_ = 0;
    trailers_.clear();  // an exchange is used again: those of another one, whose body nobody read
    // Trailers may come in one read with the head: what was to be said about that stays.
    if (k != kind::trailers) {
        refusal_ = 0;
        why_ = "";
    }
    switch (k) {
        case kind::request:
            request_ = head_access::request(fresh_block(block_kind::request));
            protocol_.clear();
            has_authority_ = false;
            break;
        case kind::response:
            response_ = head_access::response(fresh_block(block_kind::response));
            break;
        case kind::trailers:
            break;
    }
}

void h2_head_builder::refuse(int status, const char* why) noexcept {
    if (refusal_ != 0) return;
    refusal_ = status;
    why_ = why;
}

h2_head_builder::verdict h2_head_builder::add(std::string_view name, std::string_view value) {
    size_ += name.size() + value.size() + 32;
    if (size_ > limits_.block) {
        if (size_ / std::max<std::size_t>(limits_.bomb, 1) > limits_.block) return verdict::bomb;
        if (kind_ == kind::trailers) return verdict::malformed;
        if (kind_ == kind::request && name == ":path" && value.size() > limits_.target)
            refuse(414, "the target is too long");
        refuse(431, "the header section is too large");
        return verdict::fine;
    }
    if (!name.empty() && name[0] == ':') return pseudo(name, value);
    if (++count_ > limits_.fields) {
        if (kind_ == kind::trailers) return verdict::malformed;
        refuse(431, "there are too many header fields");
        return verdict::fine;
    }
    const field id = recognize_token(name);
    if (kind_ == kind::trailers) {
        if (h1::allowed_in_trailers(id)) head_access::insert(trailers_, id, name, value);
        return verdict::fine;
    }
    headers& fields = kind_ == kind::request ? request_.headers() : response_.headers();
    if (kind_ == kind::request && id == field::host && has_authority_) {
        // RFC 9113 8.3.1: they must not say different things.
        return iequals(without_default_port(value),
                       without_default_port(fields.get(field::host).value_or("")))
                   ? verdict::fine
                   : verdict::malformed;
    }
    if (id == field::cookie && fields.contains(field::cookie)) {
        // RFC 9113 8.2.3: crumbs become one field again.
        std::string whole(*fields.get(field::cookie));
        fields.set(field::cookie, whole.append("; ").append(value));
        return verdict::fine;
    }
    head_access::insert(fields, id, name, value);
    return verdict::fine;
}

h2_head_builder::verdict h2_head_builder::pseudo(std::string_view name, std::string_view value) {
    if (name == ":status") {
        int code = 0;
        (void)std::from_chars(value.data(), value.data() + value.size(), code);
        if (code < 100 || code > 999) return verdict::malformed;
        head_access::block(response_.headers())->status = static_cast<std::uint16_t>(code);
    } else if (name == ":method") {
        if (!is_token(value)) return verdict::malformed;
        if (const auto known = http::method::parse(value))
            request_.set_method(*known);
        else
            refuse(501, "the method is too long");
    } else if (name == ":path") {
        if (value.size() > limits_.target)
            refuse(414, "the target is too long");
        else if (value.empty() || !all(value, cc_target) || (value[0] != '/' && value != "*"))
            refuse(400, "the target is malformed");
        else
            request_.set_target(value);
    } else if (name == ":authority") {
        std::string_view host, port;
        if (!value.empty() && value != *good_authority_) {
            if (!h1::parse_authority(value, host, port))
                refuse(400, "the authority is malformed");
            else if (value.size() <= longest_remembered)
                *good_authority_ = value;
        }
        has_authority_ = true;
        head_access::insert(request_.headers(), field::host, "Host", value);
    } else if (name == ":protocol") {
        protocol_ = value;
    }
    return verdict::fine;
}

h2_head_builder::verdict h2_head_builder::finish() {
    if (kind_ != kind::request || refusal_ != 0) return verdict::fine;
    const auto host = request_.headers().get(field::host);
    std::string_view name, port;
    if (!host) {
        refuse(400, "the request names no host");
    } else if (!has_authority_ && !host->empty() && !h1::parse_authority(*host, name, port)) {
        refuse(400, "the host is malformed");
    } else if (request_.method() == method::connect && protocol_.empty()) {
        request_.set_target(*host);  // the authority-form, as in HTTP/1
    }
    return verdict::fine;
}

// Out ---------------------------------------------------------------------------------------------

void h2_fields::add(std::string_view name, std::string_view value, bool lasting) {
    nghttp2_nv nv;
    nv.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
    nv.namelen = name.size();
    nv.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
    nv.valuelen = value.size();
    nv.flags = lasting ? NGHTTP2_NV_FLAG_NO_COPY_NAME : NGHTTP2_NV_FLAG_NONE;
    list_.push_back(nv);
}

void h2_fields::add_fields(const headers& h, const extra& e, bool of_request) {
    const field_block* block = head_access::block(h);
    if (block) {
        std::uint64_t skipped = of_connection;
        if (of_request) skipped |= bit(field::host);
        if (e.length) skipped |= bit(field::content_length);
        const bool names_others = h.contains(field::connection);
        for (std::size_t i = 0; i < block->count; ++i) {
            const field_entry& f = block->entry(i);
            const std::string_view name = block->name(f);
            if (skipped & bit(f.id)) continue;
            if (f.id == field::te && !iequals(block->value(f), "trailers")) continue;
            if (f.id == field::other && iequals(name, "http2-settings")) continue;
            if (names_others && h.has_token(field::connection, name)) continue;
            if (f.id == field::other)
                add(name, block->value(f), false);
            else
                add(lower_name(f.id), block->value(f));
        }
    }
    if (!e.date.empty() && !h.contains(field::date)) add("date", e.date);
    if (e.length) {
        const char* end = std::to_chars(length_, length_ + sizeof length_, *e.length).ptr;
        add("content-length", {length_, static_cast<std::size_t>(end - length_)});
    }
}

void h2_fields::set_request(const request_head& head, const extra& e) {
    list_.clear();
    const bool tunnel = head.method() == method::connect && e.protocol.empty();
    for (const char c : e.order) {
        if (c == 'm')
            add(":method", head.method().text());
        else if (c == 'a')
            add(":authority", head.headers().get(field::host).value_or(""));
        else if (c == 's' && !tunnel)
            add(":scheme", e.scheme);
        else if (c == 'p' && !tunnel)
            add(":path", head.target());
    }
    if (!e.protocol.empty()) add(":protocol", e.protocol);
    add_fields(head.headers(), e, true);
}

void h2_fields::set_response(const response_head& head, const extra& e) {
    list_.clear();
    const int code = head.status().code();
    status_[0] = static_cast<char>('0' + code / 100);
    status_[1] = static_cast<char>('0' + code / 10 % 10);
    status_[2] = static_cast<char>('0' + code % 10);
    add(":status", {status_, 3});
    add_fields(head.headers(), e, false);
}

void h2_fields::set_trailers(const headers& fields) {
    list_.clear();
    for (const auto [name, value, id] : fields)
        if (h1::allowed_in_trailers(id) && !(of_connection & bit(id))) add(name, value, false);
}

}  // namespace weft::http::detail
