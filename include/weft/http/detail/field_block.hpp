// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/field.hpp>
#include <weft/http/method.hpp>
#include <weft/http/version.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::http::detail {

/// Where one field lies in the text of its block.
struct field_entry {
    std::uint32_t name_at;
    std::uint32_t value_at;
    std::uint32_t value_size;
    std::uint16_t name_size;
    field id;
};

enum class block_kind : std::uint8_t { fields, request, response };

/// A whole message head in one allocation: this struct, then text growing up, then entries growing
/// down from the end. A block of a common head is at most 1 KiB, which glibc hands out from a
/// per-thread cache.
struct field_block {
    http::method method;          // request
    std::uint64_t known = 0;      // one bit for each field number that is present
    std::uint32_t capacity = 0;   // bytes behind this struct
    std::uint32_t text_size = 0;  // of which used by text
    std::uint32_t count = 0;      // fields
    std::uint32_t line_at = 0;    // request: target; response: reason phrase
    std::uint32_t line_size = 0;
    std::uint16_t status = 200;  // response
    http::version version = http::version::http_1_1;
    block_kind kind = block_kind::fields;

    /// Room for `text` bytes and `fields` entries, rounded up to a size that malloc likes. Throws
    /// failure(exhausted) when that is 1 GiB or more.
    static field_block* make(std::size_t text, std::size_t fields);
    static void destroy(field_block*) noexcept;

    [[nodiscard]] char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] const char* text() const noexcept {
        return reinterpret_cast<const char*>(this + 1);
    }
    [[nodiscard]] field_entry& entry(std::size_t i) noexcept {
        return reinterpret_cast<field_entry*>(text() +
                                              capacity)[-1 - static_cast<std::ptrdiff_t>(i)];
    }
    [[nodiscard]] const field_entry& entry(std::size_t i) const noexcept {
        return reinterpret_cast<const field_entry*>(text() +
                                                    capacity)[-1 - static_cast<std::ptrdiff_t>(i)];
    }
    [[nodiscard]] std::string_view name(const field_entry& e) const noexcept {
        return {text() + e.name_at, e.name_size};
    }
    [[nodiscard]] std::string_view value(const field_entry& e) const noexcept {
        return {text() + e.value_at, e.value_size};
    }
    [[nodiscard]] std::string_view line() const noexcept { return {text() + line_at, line_size}; }
    [[nodiscard]] std::size_t room() const noexcept {
        return capacity - text_size - count * sizeof(field_entry);
    }
    [[nodiscard]] bool has(field f) const noexcept {
        return (known >> static_cast<unsigned>(f) & 1u) != 0;
    }
    void mark(field f) noexcept { known |= std::uint64_t{1} << static_cast<unsigned>(f); }

    /// Copies text behind the text; there must be room.
    std::uint32_t append(std::string_view part) noexcept;
    /// A copy without unused text, with room for this much
    /// more. `with_line`: the start line too, or fields only.
    [[nodiscard]] field_block* copy(std::size_t more_text, std::size_t more_fields,
                                    bool with_line) const;
};
static_assert(sizeof(field_block) == 56 && sizeof(field_entry) == 16);

}  // namespace weft::http::detail
