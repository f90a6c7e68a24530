// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "field_table.hpp"
#include <weft/core/failure.hpp>
#include <weft/http/detail/chars.hpp>
#include <weft/http/headers.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <string>

namespace weft::http {

using detail::block_kind;
using detail::field_block;
using detail::field_entry;

field recognize(std::string_view name) noexcept {
    const field id = detail::recognize_token(name);
    return id != field::other && detail::is_token(name) ? id : field::other;
}

std::string_view to_string(field f) noexcept {
    const auto i = static_cast<std::size_t>(f);
    return i < detail::field_names.size() ? detail::field_names[i] : std::string_view();
}

namespace detail {

field_block* field_block::make(std::size_t text, std::size_t fields) {
    const std::size_t wanted = sizeof(field_block) + text + fields * sizeof(field_entry);
    if (wanted >= std::size_t{1} << 30) {
        throw failure(failure_kind::exhausted, "a message head of 1 GiB or more is too large");
    }
    // Up to 1 KiB comes from malloc's per-thread cache, if only few sizes are asked for.
    std::size_t total = 256;
    while (total < wanted) total *= 2;
    auto* block = new (::operator new(total)) field_block;
    block->capacity = static_cast<std::uint32_t>(total - sizeof(field_block));
    return block;
}

void field_block::destroy(field_block* block) noexcept {
    ::operator delete(block, sizeof(field_block) + block->capacity);
}

std::uint32_t field_block::append(std::string_view part) noexcept {
    const std::uint32_t at = text_size;
    if (!part.empty()) std::memcpy(text() + at, part.data(), part.size());
    text_size += static_cast<std::uint32_t>(part.size());
    return at;
}

field_block* field_block::copy(std::size_t more_text, std::size_t more_fields,
                               bool with_line) const {
    std::size_t size = with_line ? line_size : 0;
    for (std::size_t i = 0; i < count; ++i) size += entry(i).name_size + entry(i).value_size;
    field_block* fresh = make(size + more_text, count + more_fields);
    if (with_line) {
        fresh->kind = kind;
        fresh->method = method;
        fresh->status = status;
        fresh->version = version;
        fresh->line_at = fresh->append(line());
        fresh->line_size = line_size;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const field_entry& from = entry(i);
        field_entry& to = fresh->entry(i);
        to = from;
        to.name_at = fresh->append(name(from));
        to.value_at = fresh->append(value(from));
    }
    fresh->count = count;
    fresh->known = known;
    return fresh;
}

}  // namespace detail

namespace {

std::string_view checked_name(std::string_view name) {
    if (!detail::is_token(name)) {
        throw failure(
            failure_kind::invalid_input,
            "a field name must be a token (RFC 9110 5.1): it is empty, or has a character "
            "that no token has");
    }
    if (name.size() > std::numeric_limits<std::uint16_t>::max()) {
        throw failure(failure_kind::invalid_input, "a field name of 64 KiB or more is too long");
    }
    return name;
}

std::string_view checked_value(std::string_view name, std::string_view value) {
    if (!detail::all(value, detail::cc_field)) {
        throw failure(failure_kind::invalid_input,
                      "a field value must not have control characters (RFC 9110 5.5)")
            .with("field", name);
    }
    return detail::trim(value);
}

std::string_view name_of(field f) {
    const std::string_view name = to_string(f);
    if (name.empty()) {
        throw failure(failure_kind::invalid_input,
                      "field::other has no name: give the name as text");
    }
    return name;
}

constexpr std::size_t first_text = 400, first_fields = 6;

}  // namespace

headers::headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields)
    : headers() {
    for (const auto& [name, value] : fields) add(name, value);
}

headers::headers(const headers& other) {
    if (!other.empty()) block_ = other.block_->copy(0, 0, false);
}

headers::headers(headers&& other) noexcept {
    if (other.block_ && other.block_->kind != block_kind::fields) {
        // The start line stays with its message. Without memory for a copy the whole block moves.
        try {
            if (!other.empty()) block_ = other.block_->copy(0, 0, false);
            other.clear();
            return;
        } catch (...) {
            other.block_->kind = block_kind::fields;
        }
    }
    block_ = std::exchange(other.block_, nullptr);
}

headers& headers::operator=(headers&& other) {
    if (this == &other) return *this;
    if (!block_ || block_->kind == block_kind::fields) {
        headers fresh(std::move(other));
        std::swap(block_, fresh.block_);
        return *this;
    }
    // These are the fields of a message: put its start line into the block that comes.
    field_block* fresh = nullptr;
    if (other.block_ && other.block_->kind == block_kind::fields &&
        other.block_->room() >= block_->line_size) {
        fresh = std::exchange(other.block_, nullptr);
    } else if (other.block_) {
        fresh = other.block_->copy(block_->line_size, 0, false);
        other.clear();
    } else {
        fresh = field_block::make(block_->line_size, 0);
    }
    fresh->kind = block_->kind;
    fresh->method = block_->method;
    fresh->status = block_->status;
    fresh->version = block_->version;
    fresh->line_at = fresh->append(block_->line());
    fresh->line_size = block_->line_size;
    field_block::destroy(block_);
    block_ = fresh;
    return *this;
}

std::size_t headers::find(field id, std::string_view name, std::size_t from) const noexcept {
    if (!block_) return 0;
    const std::size_t n = block_->count;
    if (id != field::other) {
        if (!block_->has(id)) return n;
        while (from < n && block_->entry(from).id != id) ++from;
        return from < n ? from : n;
    }
    for (; from < n; ++from) {
        const field_entry& e = block_->entry(from);
        if (e.id == field::other && e.name_size == name.size() &&
            detail::iequals(block_->name(e), name))
            return from;
    }
    return n;
}

void headers::insert(field id, std::string_view name, std::string_view value) {
    const std::size_t need = name.size() + value.size() + sizeof(field_entry);
    field_block* old = nullptr;
    if (!block_) {
        block_ = field_block::make(std::max(name.size() + value.size(), first_text), first_fields);
    } else if (block_->room() < need) {
        // The arguments may lie in the old block: it goes last. Growing by its size makes it
        // geometric.
        old = block_;
        block_ = old->copy(name.size() + value.size() + old->capacity, 1, true);
    }
    field_entry& e = block_->entry(block_->count);
    const std::uint32_t name_at = block_->append(name);
    const std::uint32_t value_at = block_->append(value);
    e = {name_at, value_at, static_cast<std::uint32_t>(value.size()),
         static_cast<std::uint16_t>(name.size()), id};
    ++block_->count;
    block_->mark(id);
    if (old) field_block::destroy(old);
}

void headers::replace(field id, std::string_view name, std::string_view value) {
    const std::size_t at = find(id, name, 0);
    if (at == size()) return insert(id, name, value);
    if (block_->entry(at).value_size >= value.size()) {
        field_entry& e = block_->entry(at);
        if (!value.empty()) std::memmove(block_->text() + e.value_at, value.data(), value.size());
        e.value_size = static_cast<std::uint32_t>(value.size());
    } else {
        field_block* old = nullptr;
        if (block_->room() < value.size()) {
            old = block_;
            block_ = old->copy(value.size() + old->capacity, 0, true);
        }
        field_entry& e = block_->entry(at);
        e.value_at = block_->append(value);
        e.value_size = static_cast<std::uint32_t>(value.size());
        if (old) field_block::destroy(old);
    }
    // `name` may have pointed into the old block; the entry's own name is as good.
    remove(id, block_->name(block_->entry(at)), at + 1);
}

std::size_t headers::remove(field id, std::string_view name, std::size_t from) noexcept {
    std::size_t to = find(id, name, from);
    const std::size_t n = size();
    if (to == n) return 0;
    std::size_t next = to + 1;
    for (std::size_t hit = find(id, name, next);; hit = find(id, name, next)) {
        for (; next < hit; ++next) block_->entry(to++) = block_->entry(next);
        if (hit == n) break;
        next = hit + 1;
    }
    block_->count = static_cast<std::uint32_t>(to);
    block_->known = 0;
    for (std::size_t i = 0; i < to; ++i) block_->mark(block_->entry(i).id);
    return n - to;
}

void headers::add(std::string_view name, std::string_view value) {
    value = checked_value(checked_name(name), value);
    insert(detail::recognize_token(name), name, value);
}
void headers::add(field id, std::string_view value) {
    const std::string_view name = name_of(id);
    insert(id, name, checked_value(name, value));
}
void headers::set(std::string_view name, std::string_view value) {
    value = checked_value(checked_name(name), value);
    replace(detail::recognize_token(name), name, value);
}
void headers::set(field id, std::string_view value) {
    const std::string_view name = name_of(id);
    replace(id, name, checked_value(name, value));
}
std::size_t headers::erase(std::string_view name) noexcept {
    return remove(recognize(name), name, 0);
}
std::size_t headers::erase(field id) noexcept { return id == field::other ? 0 : remove(id, {}, 0); }

void headers::clear() noexcept {
    if (!block_) return;
    block_->count = 0;
    block_->known = 0;
}

void headers::reserve(std::size_t fields, std::size_t text) {
    if (!block_) {
        block_ = field_block::make(text, fields);
    } else if (block_->room() < text + fields * sizeof(field_entry)) {
        field_block* old = block_;
        block_ = old->copy(text, fields, true);
        field_block::destroy(old);
    }
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
    const std::size_t i = find(recognize(name), name, 0);
    if (i == size()) return std::nullopt;
    return block_->value(block_->entry(i));
}
std::optional<std::string_view> headers::get(field id) const noexcept {
    if (!contains(id)) return std::nullopt;
    return block_->value(block_->entry(find(id, {}, 0)));
}
bool headers::contains(std::string_view name) const noexcept {
    return find(recognize(name), name, 0) != size();
}
std::size_t headers::count(std::string_view name) const noexcept {
    const field id = recognize(name);
    std::size_t n = 0;
    for (std::size_t i = find(id, name, 0); i != size(); i = find(id, name, i + 1)) ++n;
    return n;
}
std::size_t headers::count(field id) const noexcept {
    std::size_t n = 0;
    if (contains(id))
        for (std::size_t i = find(id, {}, 0); i != size(); i = find(id, {}, i + 1)) ++n;
    return n;
}

headers::matches headers::get_all(std::string_view name) const noexcept {
    return {this, recognize(name), name};
}
headers::matches headers::get_all(field id) const noexcept { return {this, id, to_string(id)}; }
headers::elements headers::list(std::string_view name) const noexcept {
    return {this, recognize(name), name};
}
headers::elements headers::list(field id) const noexcept { return {this, id, to_string(id)}; }

bool headers::has_token(field id, std::string_view token) const noexcept {
    if (!contains(id)) return false;
    for (const std::string_view element : list(id))
        if (detail::iequals(element, token)) return true;
    return false;
}
bool headers::has_token(std::string_view name, std::string_view token) const noexcept {
    for (const std::string_view element : list(name))
        if (detail::iequals(element, token)) return true;
    return false;
}

std::optional<std::uint64_t> headers::content_length() const noexcept {
    if (!contains(field::content_length) || count(field::content_length) != 1) return std::nullopt;
    const std::string_view digits = *get(field::content_length);
    std::uint64_t n = 0;
    for (const char c : digits) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (c < '0' || c > '9' || n > (std::numeric_limits<std::uint64_t>::max() - digit) / 10)
            return std::nullopt;
        n = n * 10 + digit;
    }
    return digits.empty() ? std::nullopt : std::optional(n);
}

field_view headers::operator[](std::size_t i) const noexcept {
    const field_entry& e = block_->entry(i);
    return {block_->name(e), block_->value(e), e.id};
}

headers::elements::iterator::iterator(const elements* range) noexcept
    : of_(range->of_), id_(range->id_), name_(range->name_) {
    advance();
}

void headers::elements::iterator::advance() noexcept {
    for (;;) {
        while (!rest_.empty()) {
            element_ = take_list_element(rest_);
            if (!element_.empty()) return;
        }
        index_ = of_->find(id_, name_, index_ + 1);
        if (index_ == of_->size()) {
            *this = {};
            return;
        }
        rest_ = (*of_)[index_].value;
    }
}

std::string_view take_list_element(std::string_view& rest) noexcept {
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest.size(); ++i) {
        const char c = rest[i];
        if (quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            break;
        }
    }
    if (i > rest.size()) i = rest.size();
    const std::string_view element = detail::trim(rest.substr(0, i));
    rest.remove_prefix(i < rest.size() ? i + 1 : i);
    return element;
}

// The start line, for request_head and response_head.

field_block& headers::edit(block_kind kind) {
    if (!block_) block_ = field_block::make(first_text, first_fields);
    if (block_->kind != kind) {
        // The fields were there first. A request starts as GET /.
        block_->method = method::get;
        block_->line_size = 0;
        if (kind == block_kind::request) set_line("/");
        block_->status = 200;
        block_->version = version::http_1_1;
        block_->kind = kind;
    }
    return *block_;
}

void headers::set_line(std::string_view line) {
    if (!block_) block_ = field_block::make(std::max(line.size(), first_text), first_fields);
    field_block* old = nullptr;
    if (line.size() <= block_->line_size) {
        if (!line.empty()) std::memmove(block_->text() + block_->line_at, line.data(), line.size());
    } else {
        if (block_->room() < line.size()) {
            old = block_;
            block_ = old->copy(line.size() + old->capacity, 0, true);
        }
        block_->line_at = block_->append(line);
    }
    block_->line_size = static_cast<std::uint32_t>(line.size());
    if (old) field_block::destroy(old);
}

}  // namespace weft::http
