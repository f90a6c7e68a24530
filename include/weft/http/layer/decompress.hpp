// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/core/awaitable.hpp>
#include <weft/core/layer.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace weft::http {

struct decompress_options {
    /// The most that a content may come to, decoded. A reader's own limits (body::read_all) hold
    /// beside it.
    std::uint64_t max_size = std::uint64_t{4} * 1024 * 1024 * 1024;
    /// How many times larger than what came over the wire it may be, once it is larger than
    /// `ratio_from`. Text compresses to a tenth or a fiftieth; a bomb is made to a thousandth and
    /// less.
    unsigned max_ratio = 250;
    std::uint64_t ratio_from = std::uint64_t{4} * 1024 * 1024;
};

/// In the extensions of a response whose content is decoded on the way: what it was coded with, as
/// Content-Encoding said ("gzip").
struct decoded_content {
    std::string codings;
};

namespace detail {

/// Asks for what can be decoded, unless the request says something itself; whether it did.
bool ask_for_codings(request& r);
/// Decodes the content while it is pulled.
void decode_content(response& r, bool to_head, const decompress_options& options);

}  // namespace detail

/// A client's layer that asks for compressed content and decodes it: gzip, deflate, br, zstd.
///
///     auto api = http::decompress() >> http::client();
///     http::response r = co_await api.serve(http::request(http::method::get, url));
///
/// A request without Accept-Encoding and Range gets `Accept-Encoding: gzip, deflate, br, zstd`, and
/// its response is decoded; one that has either is left alone, and so is its response. The body that
/// comes out is pulled as any other and holds at most 64 KiB decoded; several codings in a row are
/// taken off, Content-Encoding and Content-Length are removed (also of a response to HEAD), and
/// decoded_content is in its extensions. A 206, a response without content and one with a coding
/// that is not known stay as they are.
///
/// Failures of a pull, domain protocol, delivery processed, with `coding` in the context: protocol
/// when the content is corrupt, ends too early or goes on behind its end; rejected when it is
/// larger than the limits. Nothing that was pulled before is taken back.
class decompress : public pipeable {
  public:
    explicit decompress(decompress_options options = {}) : options_(options) {}

    template <class Next>
    awaitable<response> serve(request r, const Next& next) const {
        const bool asked = detail::ask_for_codings(r);
        const bool head = r.method() == method::head;
        response answer = co_await next(std::move(r));
        if (asked) detail::decode_content(answer, head, options_);
        co_return answer;
    }

  private:
    decompress_options options_;
};

}  // namespace weft::http
