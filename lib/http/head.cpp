// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/detail/chars.hpp>
#include <weft/http/head.hpp>

namespace weft::http {

using detail::block_kind;
using detail::field_block;

field_block* request_head::copy(const request_head& other) {
    const field_block* from = other.fields_.block_;
    return from ? from->copy(0, 0, from->kind == block_kind::request) : nullptr;
}

request_head::request_head(const http::method& m, std::string_view target, http::version v) {
    set_target(target);
    set_method(m);
    set_version(v);
}

void request_head::set_method(const http::method& m) {
    const http::method copied = m;  // it may be our own
    fields_.edit(block_kind::request).method = copied;
}

void request_head::set_target(std::string_view target) {
    if (target.empty() || !detail::all(target, detail::cc_target)) {
        throw failure(
            failure_kind::invalid_input,
            "a request target must not be empty, nor have spaces, control characters, '#' or "
            "bytes that are not ASCII (RFC 9112 3.2)");
    }
    // The line first: `target` may lie in our own block.
    const bool fresh = !has_line();
    if (fresh && fields_.block_) fields_.block_->line_size = 0;
    fields_.set_line(target);
    if (fresh) {
        fields_.block_->method = http::method::get;
        fields_.block_->version = http::version::http_1_1;
        fields_.block_->kind = block_kind::request;
    }
}

void request_head::set_version(http::version v) { fields_.edit(block_kind::request).version = v; }

field_block* response_head::copy(const response_head& other) {
    const field_block* from = other.fields_.block_;
    return from ? from->copy(0, 0, from->kind == block_kind::response) : nullptr;
}

void response_head::set_status(http::status s) {
    field_block& block = fields_.edit(block_kind::response);
    block.status = static_cast<std::uint16_t>(s.code());
    block.line_size = 0;
}

void response_head::set_status(http::status s, std::string_view reason) {
    if (!detail::all(reason, detail::cc_field)) {
        throw failure(failure_kind::invalid_input,
                      "a reason phrase must not have control characters (RFC 9112 4)");
    }
    fields_.edit(block_kind::response).status = static_cast<std::uint16_t>(s.code());
    fields_.set_line(reason);
}

void response_head::set_version(http::version v) { fields_.edit(block_kind::response).version = v; }

}  // namespace weft::http
