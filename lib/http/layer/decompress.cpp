// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "../content_decoder.hpp"
#include <weft/http/layer/decompress.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

namespace weft::http::detail {

namespace {

constexpr std::size_t chunk_size = 64 * 1024;

/// The content behind its codings.
class decoded_source final : public body::source {
  public:
    decoded_source(body inner, content_decoder decoder)
        : inner_(std::move(inner)), decoder_(std::move(decoder)) {}

    awaitable<std::optional<weft::bytes>> next() override {
        if (failed_) std::rethrow_exception(failed_);
        if (over_) co_return std::nullopt;
        for (;;) {
            const content_decoder::result r = read();
            if (r.what == content_decoder::state::data)
                co_return weft::bytes::copy(std::string_view(memory_.get(), r.size));
            if (r.what == content_decoder::state::end) {
                over_ = true;
                memory_.reset();
                co_return std::nullopt;
            }
            chunk_ = co_await inner_.next();
            if (chunk_)
                decoder_.feed({chunk_->data(), chunk_->size()});
            else
                decoder_.finish();
        }
    }

    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override {
        return over_ ? std::optional<std::uint64_t>(0) : std::nullopt;
    }
    [[nodiscard]] headers* trailers() noexcept override {
        return over_ ? inner_.trailers() : nullptr;
    }

  private:
    content_decoder::result read() {
        if (!memory_) memory_ = std::make_unique_for_overwrite<char[]>(chunk_size);
        try {
            return decoder_.read({memory_.get(), chunk_size});
        } catch (...) {
            failed_ = std::current_exception();
        }
        inner_ = body();  // nothing more is read
        std::rethrow_exception(failed_);
    }

    body inner_;
    content_decoder decoder_;
    std::optional<weft::bytes> chunk_;
    std::unique_ptr<char[]> memory_;
    std::exception_ptr failed_;
    bool over_ = false;
};

}  // namespace

bool ask_for_codings(request& r) {
    if (r.headers().contains(field::accept_encoding) || r.headers().contains("Range")) return false;
    r.headers().add(field::accept_encoding, "gzip, deflate, br, zstd");
    return true;
}

void decode_content(response& r, bool to_head, const decompress_options& options) {
    const int code = r.status().code();
    if (!r.headers().contains(field::content_encoding)) return;
    if (code < 200 || code == 204 || code == 205 || code == 206 || code == 304) return;
    std::string codings;
    std::vector<std::string_view> names;
    for (const std::string_view coding : r.headers().list(field::content_encoding)) {
        if (!codings.empty()) codings += ", ";
        codings += coding;
        if (coding != "identity") names.push_back(coding);
    }
    if (!names.empty()) {
        std::optional<content_decoder> decoder = content_decoder::make(names, options);
        if (!decoder) return;
        if (!to_head && !r.body().empty())
            r.set_body(
                body(std::make_unique<decoded_source>(std::move(r.body()), std::move(*decoder))));
        r.headers().erase(field::content_length);
        r.extensions().insert(decoded_content{std::move(codings)});
    }
    r.headers().erase(field::content_encoding);
}

}  // namespace weft::http::detail
