// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/http/head.hpp>

namespace weft::http {

/// The codecs' door to the block behind headers and heads.
struct head_access {
    static detail::field_block*& block(headers& h) noexcept { return h.block_; }
    static const detail::field_block* block(const headers& h) noexcept { return h.block_; }
    static const detail::field_block* block(const request_head& h) noexcept {
        return h.fields_.block_;
    }
    static const detail::field_block* block(const response_head& h) noexcept {
        return h.fields_.block_;
    }
    /// Makes the head the owner of the block.
    static request_head request(detail::field_block* b) noexcept {
        request_head head;
        head.fields_.block_ = b;
        return head;
    }
    static response_head response(detail::field_block* b) noexcept {
        response_head head;
        head.fields_.block_ = b;
        return head;
    }
    /// Inserts a field that was checked.
    static void insert(headers& h, field id, std::string_view name, std::string_view value) {
        h.insert(id, name, value);
    }
};

}  // namespace weft::http
